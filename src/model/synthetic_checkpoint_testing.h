// For tests only: complete small checkpoints of random weights, in any of the forms that a checkpoint may
// have, whole or with one thing wrong.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/safetensors_testing.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

// The initial values are a model with every kind of layer, small enough to run in milliseconds.
struct SyntheticOptions {
  uint32_t vocab = 67;
  uint32_t hidden = 64;
  std::vector<uint32_t> ratios = {0, 4, 8};  // one per layer; those that are not 0 or 4 are one number
  uint32_t mtp_layers = 0;
  uint32_t hash_layers = 1;
  uint32_t heads = 2;
  uint32_t head_dim = 16;
  uint32_t rope_dim = 8;
  uint32_t q_lora = 24;
  uint32_t o_groups = 2;
  uint32_t o_lora = 12;
  uint32_t window = 8;
  uint32_t index_heads = 2;
  uint32_t index_head_dim = 16;
  uint32_t index_topk = 3;
  uint32_t experts = 6;
  uint32_t experts_per_token = 2;
  uint32_t inner = 32;
  uint32_t hc = 4;
  std::string scoring = "sqrtsoftplus";
  double swiglu_limit = 10;
  DType expert_type = DType::kI8;     // MXFP4; kF8E4M3, kBF16, kF32
  DType dense_type = DType::kF8E4M3;  // kBF16, kF32
  DType table_type = DType::kI64;     // kI32
  // How it lies on disk.
  size_t shards = 1;  // tensors go to them in turn, so that experts straddle shards
  bool with_index = true;
  bool transformers_spelling = false;  // of config.json
  uint64_t seed = 1;
};

// The tensors of such a model, by name; a tensor's bytes depend on its name and the seed alone.
class SyntheticCheckpoint {
 public:
  explicit SyntheticCheckpoint(SyntheticOptions options);

  // The tensor of that name, to be altered. Its absence is a mistake of the test: the process stops.
  TestTensor& tensor(const std::string& name);
  void drop(const std::string& name);

  // config.json, the shards and, if wanted, their index, into an existing folder.
  void write(const std::filesystem::path& folder) const;

 private:
  void add_layer(const std::string& prefix, uint32_t ratio, bool hashed);
  void add_attention(const std::string& prefix, uint32_t ratio);
  void add_compressor(const std::string& prefix, uint32_t ratio, uint32_t row_width);
  void add_experts(const std::string& prefix, bool hashed);
  void add_table(const std::string& name);
  void add_hyper_connection(const std::string& name, uint64_t rows, uint64_t scales);
  void add_head(const std::string& prefix);
  void add_matrix(const std::string& name, DType type, uint64_t rows, uint64_t cols);
  // Values around `mean`, as float32 or bfloat16.
  void add_plain(const std::string& name, DType type, std::vector<uint64_t> shape, float mean, float spread);
  void add(std::string name, DType type, std::vector<uint64_t> shape, std::string bytes);
  std::string config_json() const;

  SyntheticOptions options_;
  std::vector<TestTensor> tensors_;
};

}  // namespace sluice::testing
