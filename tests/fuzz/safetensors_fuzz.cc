// Any bytes as a safetensors file: refused, or a directory whose every promise holds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "checkpoint/safetensors.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_directory(std::string_view header, const sluice::ShardFile& file) {
  const auto tensors = sluice::parse_safetensors_header(header, file);
  if (!tensors) {
    require(!tensors.error().message.empty());
    return;
  }
  uint64_t covered_to_bytes = sluice::kSafetensorsPrefixBytes + header.size();
  for (const sluice::TensorInfo& tensor : *tensors) {
    const sluice::Extent& extent = tensor.extent;
    require(extent.file == file.index);
    require(extent.size_bytes == tensor.elements() * sluice::dtype_size_bytes(tensor.dtype));
    require(extent.size_bytes == 0 || extent.offset_bytes >= covered_to_bytes);
    require(extent.offset_bytes <= file.size_bytes &&
            extent.size_bytes <= file.size_bytes - extent.offset_bytes);
    if (extent.size_bytes > 0) covered_to_bytes = extent.end_bytes();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < sluice::kSafetensorsPrefixBytes) return 0;
  const auto bytes = std::as_bytes(std::span(data, size));
  const sluice::ShardFile file{"fuzz.safetensors", 3, size};
  const auto header_bytes =
      sluice::parse_safetensors_prefix(bytes.first<sluice::kSafetensorsPrefixBytes>(), file);
  const std::string_view rest(reinterpret_cast<const char*>(data) + sluice::kSafetensorsPrefixBytes,
                              size - sluice::kSafetensorsPrefixBytes);
  if (header_bytes) {
    require(*header_bytes <= rest.size());
    check_directory(rest.substr(0, *header_bytes), file);
  }
  // Headers that speak of more data than an input can hold.
  check_directory(rest, {"fuzz.safetensors", 3, uint64_t{1} << 62});
  return 0;
}
