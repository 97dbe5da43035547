// Files that are replaced as a whole.
#pragma once

#include <filesystem>
#include <functional>
#include <span>

#include "sluice/result.h"

namespace sluice {

// Puts `bytes` into a file at `path`, in the place of the one that is there: whoever opens it finds the old
// bytes or the new ones, also after a crash, and when this fails the old ones. Any threads and processes may
// do so at once; one of them is the last. kIo, naming the file and the system's reason; nothing is left
// beside it then.
Status replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

// The same with bytes that `fill` hands over one after the other, for files that are no single array. They
// are with the system when `fill` returns, and on the disk when this does. Whatever error `fill` returns,
// those of AppendBytes among them, ends it.
using AppendBytes = std::function<Status(std::span<const std::byte> bytes)>;
Status replace_file(const std::filesystem::path& path,
                    const std::function<Status(const AppendBytes& append)>& fill);

// Whether a file of this name is one that a crash left half-written: no file of ours is called so.
bool is_half_written(const std::filesystem::path& path);

}  // namespace sluice
