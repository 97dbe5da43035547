// From a checkpoint's names to the model's weights: what must be there, in which shape and type, and where it
// goes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/weights.h"

namespace sluice {

// A dense tensor and its place in the arena.
struct DenseTensor {
  const TensorInfo* tensor = nullptr;
  uint64_t arena_offset_bytes = 0;  // a multiple of 64
};

// Walks the model's tensors in one fixed order, checking each against the configuration and giving it a
// place. A walk without an arena only checks and measures; the same walk over a filled arena yields the
// weights.
class WeightBinder {
 public:
  // `arena` null: measure. Otherwise it holds the bytes of every tensor at the place that measuring found.
  WeightBinder(const Checkpoint& checkpoint, const std::byte* arena)
      : checkpoint_(checkpoint), arena_(arena) {}

  // A matrix NAME.weight [rows, cols] in any weight format, with NAME.scale where the format has scales.
  Result<WeightMatrix> matrix(const std::string& name, uint64_t rows, uint64_t cols);
  // A tensor that is not followed by ".weight": hc_*_fn.
  Result<WeightMatrix> plain_matrix(const std::string& name, uint64_t rows, uint64_t cols);
  // Decoded to float32 (empty while measuring); the stored type is F32 or BF16.
  Result<std::vector<float>> floats(const std::string& name, const std::vector<uint64_t>& shape);
  // NAME [vocab, k] of I64 or I32. Over an arena every entry is checked to be below `experts`.
  Result<ExpertTable> expert_table(const std::string& name, uint64_t vocab, uint64_t k, uint64_t experts);

  const std::vector<DenseTensor>& tensors() const { return tensors_; }
  uint64_t arena_bytes() const { return arena_bytes_; }

 private:
  const std::byte* place(const TensorInfo& tensor);

  const Checkpoint& checkpoint_;
  const std::byte* arena_;
  std::vector<DenseTensor> tensors_;
  uint64_t arena_bytes_ = 0;
};

// The stored format of a weight matrix NAME [rows, cols] and its tensors, checked. `scale` is null where the
// format has none. kNotFound and kCorrupt as Checkpoint::require; kUnsupported for MXFP4 with cols % 32 != 0.
struct StoredMatrix {
  WeightFormat format = WeightFormat::kF32;
  const TensorInfo* weight = nullptr;
  const TensorInfo* scale = nullptr;
};
Result<StoredMatrix> find_matrix(const Checkpoint& checkpoint, const std::string& weight_name,
                                 const std::string& scale_name, uint64_t rows, uint64_t cols);

}  // namespace sluice
