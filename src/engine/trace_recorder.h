// Writes down what a model's routers ask for: `sluice run --trace`.
#pragma once

#include <filesystem>
#include <map>
#include <utility>

#include "checkpoint/config.h"
#include "experts/trace.h"
#include "model/forward_context.h"

namespace sluice {

// Records one sequence from its first token on, with the scores of all experts; MTP layers are left out.
// Keeps everything in memory until finish(): 4 bytes for every expert of every layer, per token. An observer:
// used by the thread that runs the passes.
class TraceRecorder final : public ForwardObserver {
 public:
  // Tokens before `prompt_tokens` are prefill, the others decode. `model` names it in the trace: characters
  // other than printable ASCII become '_'. Writes a trace without routes at once, so that a path that cannot
  // be written is found out before the run: kIo.
  static Result<TraceRecorder> create(const std::filesystem::path& path, std::string_view model,
                                      const ModelConfig& config, uint64_t expert_bytes,
                                      uint64_t prompt_tokens);

  void on_scores(uint32_t layer, uint64_t position, std::span<const float> scores) override;
  void on_experts(uint32_t layer, uint64_t position, std::span<const uint32_t> experts,
                  std::span<const float> weights) override;

  // Replaces the file by what was recorded so far. Errors of write_trace, and kInvalidArgument beyond
  // kMaxTraceTokens.
  Status finish() const;

 private:
  TraceRecorder(std::filesystem::path path, TraceHeader header, uint64_t prompt_tokens)
      : path_(std::move(path)), header_(std::move(header)), prompt_tokens_(prompt_tokens) {}

  std::filesystem::path path_;
  TraceHeader header_;
  uint64_t prompt_tokens_;
  std::map<std::pair<uint64_t, uint32_t>, TraceRoute> routes_;  // by (position, layer): chunks come by layer
};

}  // namespace sluice
