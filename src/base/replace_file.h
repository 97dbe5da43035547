// Files that are replaced as a whole.
#pragma once

#include <filesystem>
#include <span>

#include "sluice/result.h"

namespace sluice {

// Puts `bytes` into a file at `path`, in the place of the one that is there: whoever opens it finds the old
// bytes or the new ones, also after a crash, and when this fails the old ones. Any threads and processes may
// do so at once; one of them is the last. kIo, naming the file and the system's reason; nothing is left
// beside it then.
Status replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace sluice
