// Synthetic checkpoints: a model's widths and layout on disk with seeded random weights, to measure streaming
// at full size where the real weights are not at hand. They run and say nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/shard_writer.h"
#include "engine/synth_values.h"
#include "sluice/result.h"

namespace sluice {

struct SynthOptions {
  std::string width = "flash";          // whose widths; see synth_widths()
  uint32_t layers = 4;                  // 1 ... the width's own number of layers, or 61 when that is less
  uint32_t mtp_layers = 0;              // 0 or 1
  std::optional<uint32_t> hash_layers;  // unset: as the release has them, in proportion for fewer layers
  uint32_t vocab = 8192;
  uint64_t seed = 1;
  // How unevenly experts are chosen: popularity falls as 1 / rank^skew. 0: all alike.
  double skew = 1.5;
  uint64_t shard_bytes = 4'000'000'000;  // of tensors in a shard, at most
};

// The names that SynthOptions::width may have: "flash" and "pro" as released, "small" (0.8 MB an expert) and
// "tiny".
std::vector<std::string> synth_widths();

// A tensor and what it is filled with.
struct SynthTensor {
  TensorInfo info;  // no extent
  MakeWords make;
};

// What will be written, before any of it is: the same options give the same bytes, on any machine with the
// same floating point.
class SynthPlan {
 public:
  // kInvalidArgument, naming the option, for sizes out of range.
  static Result<SynthPlan> make(const SynthOptions& options);

  const ModelConfig& config() const { return config_; }
  const std::vector<ShardLayout>& shards() const { return shards_; }
  // Of all files.
  uint64_t total_bytes() const;

  // Creates `folder` and writes the checkpoint, with a tokenizer for any text. kInvalidArgument when the
  // folder holds anything; kOutOfBudget when its disk has less room than is needed; kIo, kCancelled. After an
  // error what was written is gone again. `on_progress`: bytes so far and in all, by one thread at a time.
  Status write(const std::filesystem::path& folder, size_t threads,
               const std::function<void(uint64_t bytes_done, uint64_t bytes_total)>& on_progress,
               const std::stop_token& cancel) const;

 private:
  Status write_files(const std::filesystem::path& folder, size_t threads,
                     const std::function<void(uint64_t, uint64_t)>& on_progress,
                     const std::stop_token& cancel) const;

  ModelConfig config_;
  std::vector<SynthTensor> tensors_;  // by name
  std::vector<ShardLayout> shards_;
  // The small files and their text.
  std::vector<std::pair<std::string, std::string>> texts_;
};

}  // namespace sluice
