// How well a model predicts a text: mean negative log-likelihood per token, and perplexity.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/loaded_model.h"
#include "sluice/result.h"

namespace sluice {

// Held-out tokens, cut into windows that know nothing of each other. Window w sees ids [w * window, (w + 1) *
// window) and predicts the id after each of them.
struct PerplexityText {
  std::vector<int32_t> ids;  // at least 2
  uint64_t window = 1024;
};

struct PerplexityResult {
  uint64_t windows = 0;
  uint64_t tokens = 0;  // predicted
  double nll_per_token = 0;
  double perplexity = 0;
};

// {"token_ids": [...], "window": 1024}; other fields are ignored. kCorrupt, naming file and field.
Result<PerplexityText> parse_perplexity_text(std::string_view json, const std::string& file_name,
                                             const ModelConfig& config);

// `on_progress` sees tokens done and in all, between layers too. kCancelled, and errors of the forward pass.
Result<PerplexityResult> perplexity(LoadedModel& loaded, const PerplexityText& text,
                                    const std::function<void(uint64_t, uint64_t)>& on_progress,
                                    const std::stop_token& cancel = {});

}  // namespace sluice
