// Weights for benchmarks: random codes, several copies; and room for rounded activations.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "kernels/activations.h"
#include "numerics/weight_matrix.h"

namespace sluice {

// `copies` matrices one behind the other, so that going through them in turn reads from memory and not from a
// cache. Codes are finite in every format, and no float is so small that machines take long over it.
class StoredMatrices {
 public:
  StoredMatrices(WeightFormat format, uint32_t rows, uint32_t cols, size_t copies)
      : format_(format),
        rows_(rows),
        cols_(cols),
        copies_(copies),
        values_(weight_values_bytes(format, rows, cols) * copies),
        scales_(weight_scales_bytes(format, rows, cols) * copies, std::byte{122}) {
    std::mt19937 random(1);
    for (auto& value : values_) value = static_cast<std::byte>(random() & 0x3b);
    const size_t float_bytes = format == WeightFormat::kF32 ? 4 : format == WeightFormat::kBF16 ? 2 : 0;
    for (size_t i = 1; float_bytes > 0 && i * float_bytes <= values_.size(); ++i)
      values_[i * float_bytes - 1] = std::byte{0x3f};  // near one
  }

  WeightMatrix next() {
    const size_t copy = next_++ % copies_;
    return {format_, rows_, cols_, values_.data() + copy * (values_.size() / copies_),
            scales_.data() + copy * (scales_.size() / copies_)};
  }

  // Of one matrix.
  size_t size_bytes() const { return (values_.size() + scales_.size()) / copies_; }

 private:
  WeightFormat format_;
  uint32_t rows_;
  uint32_t cols_;
  size_t copies_;
  size_t next_ = 0;
  std::vector<std::byte> values_;
  std::vector<std::byte> scales_;
};

// What Activations in fast numerics want to be given.
inline std::unique_ptr<float, void (*)(void*)> activations_scratch(WeightFormat format, size_t tokens,
                                                                   size_t cols) {
  const size_t floats = Activations::scratch_floats(Numerics::kFast, format, tokens, cols);
  return {static_cast<float*>(std::aligned_alloc(64, (floats / 16 + 1) * 64)), &std::free};
}

}  // namespace sluice
