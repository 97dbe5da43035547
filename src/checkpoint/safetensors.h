// The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes. The only
// place in Sluice that knows it. Reads headers, never tensor data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor.h"
#include "sluice/result.h"

namespace sluice {

// The length field in front of the header: little-endian, counts the header alone.
inline constexpr uint64_t kSafetensorsPrefixBytes = 8;
// The format's own limit.
inline constexpr uint64_t kSafetensorsHeaderLimitBytes = 100'000'000;

// The file that a header belongs to, as far as checking the header needs to know it.
struct ShardFile {
  std::string name;         // for messages
  uint32_t index = 0;       // becomes Extent::file
  uint64_t size_bytes = 0;  // of the whole file
};

// The header's length from the file's first eight bytes. kCorrupt when it exceeds the limit or the file.
Result<uint64_t> parse_safetensors_prefix(std::span<const std::byte, kSafetensorsPrefixBytes> prefix,
                                          const ShardFile& file);

// The tensors that a header lists, by their offset in the file; extents count from the start of the file.
// kCorrupt, naming file and tensor, for: bad JSON, a name that stands twice, missing or mistyped fields, a
// size that is not the shape's times the type's, tensors that overlap, tensors that end beyond the file (a
// shard cut short). kUnsupported for an element type that Sluice does not know. `__metadata__` is checked and
// dropped. Gaps between tensors and bytes after the last one are let pass: nothing refers to them.
Result<std::vector<TensorInfo>> parse_safetensors_header(std::string_view header_json, const ShardFile& file);

// Opens a file and reads its header. Errors as above, and kNotFound or kIo from the system.
Result<std::vector<TensorInfo>> read_safetensors(const std::filesystem::path& path, uint32_t file_index);

}  // namespace sluice
