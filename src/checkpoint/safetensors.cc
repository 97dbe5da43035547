#include "checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/strict_json.h"

namespace sluice {
namespace {

using nlohmann::json;

// What people download when git-lfs is not installed: a text file of three lines under the shard's name.
constexpr std::string_view kLfsPointerStart = "version ";

Status check_metadata(const json& metadata, const ShardFile& file) {
  if (!metadata.is_object()) {
    return fail(ErrorCode::kCorrupt, "{}: __metadata__ is {}; an object of strings was expected", file.name,
                metadata.type_name());
  }
  for (const auto& [key, value] : metadata.items()) {
    if (value.is_string()) continue;
    return fail(ErrorCode::kCorrupt, "{}: __metadata__ \"{}\" is {}; a string was expected", file.name, key,
                value.type_name());
  }
  return {};
}

Result<DType> read_dtype(const json& entry, const std::string& tensor, const ShardFile& file) {
  const auto field = entry.find("dtype");
  const auto* name = field == entry.end() ? nullptr : field->get_ptr<const std::string*>();
  if (name == nullptr) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} has no \"dtype\" that is a string", file.name, tensor);
  }
  const auto dtype = dtype_from_name(*name);
  if (!dtype) {
    return fail(ErrorCode::kUnsupported,
                "{}: tensor {} has the element type \"{}\", which Sluice cannot read", file.name, tensor,
                *name);
  }
  return *dtype;
}

Result<std::vector<uint64_t>> read_counts(const json& entry, const char* key, const std::string& tensor,
                                          const ShardFile& file) {
  const auto field = entry.find(key);
  const auto* array = field == entry.end() ? nullptr : field->get_ptr<const json::array_t*>();
  const auto is_count = [](const json& value) { return value.is_number_unsigned(); };
  if (array == nullptr || !std::all_of(array->begin(), array->end(), is_count)) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} has no \"{}\" that is an array of whole numbers from 0",
                file.name, tensor, key);
  }
  std::vector<uint64_t> counts;
  counts.reserve(array->size());
  for (const json& value : *array) counts.push_back(*value.get_ptr<const json::number_unsigned_t*>());
  return counts;
}

// The bytes that a shape needs; empty when they do not fit in 64 bits.
std::optional<uint64_t> size_of_shape(DType dtype, const std::vector<uint64_t>& shape) {
  uint64_t size_bytes = dtype_size_bytes(dtype);
  for (const uint64_t length : shape) {
    if (__builtin_mul_overflow(size_bytes, length, &size_bytes)) return std::nullopt;
  }
  return size_bytes;
}

// One entry of the header. Its extent may still end beyond the file, but fits in 64 bits.
Result<TensorInfo> read_tensor(const std::string& name, const json& entry, uint64_t data_begin_bytes,
                               const ShardFile& file) {
  if (!entry.is_object()) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} is {}; an object was expected", file.name, name,
                entry.type_name());
  }
  SLUICE_ASSIGN(const DType dtype, read_dtype(entry, name, file));
  SLUICE_ASSIGN(std::vector<uint64_t> shape, read_counts(entry, "shape", name, file));
  SLUICE_ASSIGN(const std::vector<uint64_t> offsets, read_counts(entry, "data_offsets", name, file));
  uint64_t end_bytes = 0;
  if (offsets.size() != 2 || offsets[0] > offsets[1] ||
      __builtin_add_overflow(data_begin_bytes, offsets[1], &end_bytes)) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} has the data_offsets {}; [begin, end] was expected",
                file.name, name, describe_shape(offsets));
  }
  const auto expected_bytes = size_of_shape(dtype, shape);
  const uint64_t found_bytes = offsets[1] - offsets[0];
  if (!expected_bytes) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} is {}: more bytes than 64 bits can count", file.name,
                name, describe(dtype, shape));
  }
  if (*expected_bytes != found_bytes) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} is {}, {} bytes; its data_offsets hold {}", file.name,
                name, describe(dtype, shape), *expected_bytes, found_bytes);
  }
  return TensorInfo{name, dtype, std::move(shape), {file.index, data_begin_bytes + offsets[0], found_bytes}};
}

// The extents in order, disjoint and inside the file. `tensors` are sorted by offset.
Status check_extents(const std::vector<TensorInfo>& tensors, const ShardFile& file) {
  const TensorInfo* previous = nullptr;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.extent.end_bytes() > file.size_bytes) {
      return fail(
          ErrorCode::kCorrupt,
          "{}: tensor {} ends at byte {}, the file has {}: the shard is cut short; copy or download it again",
          file.name, tensor.name, tensor.extent.end_bytes(), file.size_bytes);
    }
    if (tensor.extent.size_bytes == 0) continue;  // covers nothing
    if (previous != nullptr && previous->extent.end_bytes() > tensor.extent.offset_bytes) {
      return fail(ErrorCode::kCorrupt,
                  "{}: tensor {} begins at byte {}, inside tensor {}, which ends at byte {}", file.name,
                  tensor.name, tensor.extent.offset_bytes, previous->name, previous->extent.end_bytes());
    }
    previous = &tensor;
  }
  return {};
}

Result<std::string> read_header(const File& opened, const ShardFile& file) {
  if (file.size_bytes < kSafetensorsPrefixBytes) {
    return fail(ErrorCode::kCorrupt,
                "{}: {} bytes are too few for a safetensors file; copy or download it again", file.name,
                file.size_bytes);
  }
  std::array<std::byte, kSafetensorsPrefixBytes> prefix{};
  SLUICE_TRY(opened.read_exactly(0, prefix));
  SLUICE_ASSIGN(const uint64_t header_bytes, parse_safetensors_prefix(prefix, file));
  std::string header(header_bytes, '\0');
  SLUICE_TRY(opened.read_exactly(kSafetensorsPrefixBytes, std::as_writable_bytes(std::span(header))));
  return header;
}

}  // namespace

Result<uint64_t> parse_safetensors_prefix(std::span<const std::byte, kSafetensorsPrefixBytes> prefix,
                                          const ShardFile& file) {
  const std::string_view text(reinterpret_cast<const char*>(prefix.data()), prefix.size());
  if (text == kLfsPointerStart) {
    return fail(ErrorCode::kCorrupt,
                "{}: a Git LFS pointer, not the tensors; fetch them with \"git lfs pull\"", file.name);
  }
  uint64_t header_bytes = 0;
  for (size_t i = prefix.size(); i-- > 0;)
    header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(prefix[i]);
  if (header_bytes > kSafetensorsHeaderLimitBytes) {
    return fail(ErrorCode::kCorrupt,
                "{}: a header of {} bytes, more than the {} of the format: not a safetensors file", file.name,
                header_bytes, kSafetensorsHeaderLimitBytes);
  }
  if (file.size_bytes < kSafetensorsPrefixBytes || header_bytes > file.size_bytes - kSafetensorsPrefixBytes) {
    return fail(ErrorCode::kCorrupt,
                "{}: the header ends at byte {}, the file has {}: it is cut short; copy or download it again",
                file.name, kSafetensorsPrefixBytes + header_bytes, file.size_bytes);
  }
  return header_bytes;
}

Result<std::vector<TensorInfo>> parse_safetensors_header(std::string_view header_json,
                                                         const ShardFile& file) {
  if (!header_json.starts_with('{')) {
    return fail(ErrorCode::kCorrupt, "{}: the header does not begin with a brace: not a safetensors file",
                file.name);
  }
  SLUICE_ASSIGN(const json header, parse_strict_json(header_json, file.name));
  const uint64_t data_begin_bytes = kSafetensorsPrefixBytes + header_json.size();
  std::vector<TensorInfo> tensors;
  tensors.reserve(header.size());
  for (const auto& [name, entry] : *header.get_ptr<const json::object_t*>()) {
    if (name == "__metadata__") {
      SLUICE_TRY(check_metadata(entry, file));
      continue;
    }
    SLUICE_ASSIGN(TensorInfo tensor, read_tensor(name, entry, data_begin_bytes, file));
    tensors.push_back(std::move(tensor));
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return a.extent.offset_bytes < b.extent.offset_bytes;
  });
  SLUICE_TRY(check_extents(tensors, file));
  return tensors;
}

Result<std::vector<TensorInfo>> read_safetensors(const std::filesystem::path& path, uint32_t file_index) {
  SLUICE_ASSIGN(const File opened, File::open_read(path));
  ShardFile file{path.filename().string(), file_index, 0};
  auto size = opened.size_bytes();
  if (!size) return tl::unexpected(std::move(size.error()).in(path.string()));
  file.size_bytes = *size;
  auto header = read_header(opened, file);
  if (!header && header.error().code == ErrorCode::kIo) {
    return tl::unexpected(std::move(header.error()).in(path.string()));
  }
  if (!header) return tl::unexpected(std::move(header.error()));
  return parse_safetensors_header(*header, file);
}

}  // namespace sluice
