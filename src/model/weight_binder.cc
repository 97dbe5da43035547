#include "model/weight_binder.h"

#include <cstring>

#include "base/fail.h"
#include "base/memory.h"
#include "numerics/codec.h"

namespace sluice {
namespace {

constexpr uint64_t kArenaAlignmentBytes = 64;  // a cache line, and the widest vector

uint64_t ceil_div(uint64_t size, uint64_t block) {
  return (size + block - 1) / block;
}

}  // namespace

Result<StoredMatrix> find_matrix(const Checkpoint& checkpoint, const std::string& weight_name,
                                 const std::string& scale_name, uint64_t rows, uint64_t cols) {
  StoredMatrix found;
  const TensorInfo* any = checkpoint.find(weight_name);
  if (any != nullptr && any->dtype == DType::kI8) {
    if (cols % kMXFP4BlockSize != 0) {
      return fail(
          ErrorCode::kUnsupported, "{}: tensor {} is MXFP4 with {} columns; a multiple of {} was expected",
          checkpoint.files()[any->extent.file].filename().string(), weight_name, cols, kMXFP4BlockSize);
    }
    found.format = WeightFormat::kMXFP4;
    SLUICE_ASSIGN(found.weight, checkpoint.require(weight_name, {DType::kI8}, {rows, cols / 2}));
    SLUICE_ASSIGN(found.scale, checkpoint.require(scale_name, {DType::kF8E8M0, DType::kU8},
                                                  {rows, cols / kMXFP4BlockSize}));
    return found;
  }
  SLUICE_ASSIGN(found.weight,
                checkpoint.require(weight_name, {DType::kF8E4M3, DType::kBF16, DType::kF32}, {rows, cols}));
  if (found.weight->dtype == DType::kF8E4M3) {
    found.format = WeightFormat::kFP8;
    SLUICE_ASSIGN(found.scale,
                  checkpoint.require(scale_name, {DType::kF8E8M0, DType::kU8},
                                     {ceil_div(rows, kFP8BlockSize), ceil_div(cols, kFP8BlockSize)}));
  } else {
    found.format = found.weight->dtype == DType::kBF16 ? WeightFormat::kBF16 : WeightFormat::kF32;
  }
  return found;
}

const std::byte* WeightBinder::place(const TensorInfo& tensor) {
  const uint64_t offset_bytes = arena_bytes_;
  tensors_.push_back({&tensor, offset_bytes});
  arena_bytes_ = round_up(offset_bytes + tensor.extent.size_bytes, kArenaAlignmentBytes);
  return arena_ == nullptr ? nullptr : arena_ + offset_bytes;
}

Result<WeightMatrix> WeightBinder::matrix(const std::string& name, uint64_t rows, uint64_t cols) {
  SLUICE_ASSIGN(const StoredMatrix found,
                find_matrix(checkpoint_, name + ".weight", name + ".scale", rows, cols));
  WeightMatrix matrix{found.format, static_cast<uint32_t>(rows), static_cast<uint32_t>(cols), nullptr,
                      nullptr};
  matrix.values = place(*found.weight);
  if (found.scale != nullptr) matrix.scales = place(*found.scale);
  return matrix;
}

Result<WeightMatrix> WeightBinder::plain_matrix(const std::string& name, uint64_t rows, uint64_t cols) {
  SLUICE_ASSIGN(const TensorInfo* tensor,
                checkpoint_.require(name, {DType::kF32, DType::kBF16}, {rows, cols}));
  const WeightFormat format = tensor->dtype == DType::kF32 ? WeightFormat::kF32 : WeightFormat::kBF16;
  return WeightMatrix{format, static_cast<uint32_t>(rows), static_cast<uint32_t>(cols), place(*tensor),
                      nullptr};
}

Result<std::vector<float>> WeightBinder::floats(const std::string& name, const std::vector<uint64_t>& shape) {
  SLUICE_ASSIGN(const TensorInfo* tensor, checkpoint_.require(name, {DType::kF32, DType::kBF16}, shape));
  const std::byte* bytes = place(*tensor);
  std::vector<float> values;
  if (bytes == nullptr) return values;
  values.resize(tensor->elements());
  const WeightFormat format = tensor->dtype == DType::kF32 ? WeightFormat::kF32 : WeightFormat::kBF16;
  decode_row({format, 1, static_cast<uint32_t>(values.size()), bytes, nullptr}, 0, values.data());
  return values;
}

Result<ExpertTable> WeightBinder::expert_table(const std::string& name, uint64_t vocab, uint64_t k,
                                               uint64_t experts) {
  SLUICE_ASSIGN(const TensorInfo* tensor, checkpoint_.require(name, {DType::kI64, DType::kI32}, {vocab, k}));
  const ExpertTable table{place(*tensor), tensor->dtype == DType::kI64, static_cast<uint32_t>(k)};
  if (table.entries == nullptr) return table;
  for (uint32_t token = 0; token < vocab; ++token) {
    for (uint32_t rank = 0; rank < k; ++rank) {
      if (table.expert(token, rank) < experts) continue;
      return fail(ErrorCode::kCorrupt, "{}: {}: row {} names expert {}; the model has experts 0 to {}",
                  checkpoint_.files()[tensor->extent.file].filename().string(), name, token,
                  table.expert(token, rank), experts - 1);
    }
  }
  return table;
}

uint32_t ExpertTable::expert(uint32_t token_id, uint32_t rank) const {
  const size_t index = size_t{token_id} * experts_per_token + rank;
  if (!is_64_bit) {
    uint32_t entry = 0;
    std::memcpy(&entry, entries + index * sizeof(entry), sizeof(entry));
    return entry;
  }
  uint64_t entry = 0;
  std::memcpy(&entry, entries + index * sizeof(entry), sizeof(entry));
  return entry > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(entry);
}

}  // namespace sluice
