#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "checkpoint/strict_json.h"

namespace sluice {
namespace {

// -log softmax(logits)[target], in double.
double negative_log_likelihood(std::span<const float> logits, int32_t target) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - largest);
  return largest + std::log(total) - logits[static_cast<size_t>(target)];
}

}  // namespace

Result<PerplexityText> parse_perplexity_text(std::string_view json, const std::string& file_name,
                                             const ModelConfig& config) {
  SLUICE_ASSIGN(const nlohmann::json parsed, parse_strict_json(json, file_name));
  PerplexityText text;
  if (const auto window = parsed.find("window"); window != parsed.end()) {
    if (!window->is_number_unsigned() || window->get<uint64_t>() == 0) {
      return fail(ErrorCode::kCorrupt, "{}: window: a positive integer is expected", file_name);
    }
    text.window = window->get<uint64_t>();
  }
  const auto ids = parsed.find("token_ids");
  if (ids == parsed.end() || !ids->is_array() || ids->size() < 2) {
    return fail(ErrorCode::kCorrupt, "{}: token_ids: an array of two or more ids is expected", file_name);
  }
  for (const auto& id : *ids) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= config.vocab_size) {
      return fail(ErrorCode::kCorrupt, "{}: token_ids[{}]: {} found, an id below {} expected", file_name,
                  text.ids.size(), id.is_number() ? id.dump() : id.type_name(), config.vocab_size);
    }
    text.ids.push_back(id.get<int32_t>());
  }
  return text;
}

Result<PerplexityResult> perplexity(LoadedModel& loaded, const PerplexityText& text,
                                    const std::function<void(uint64_t, uint64_t)>& on_progress,
                                    const std::stop_token& cancel) {
  Model& model = *loaded.model;
  const size_t width = model.streams_width();
  const size_t vocab = model.config().vocab_size;
  const size_t layers = model.config().num_hidden_layers;
  const uint64_t predicted = text.ids.size() - 1;
  std::vector<float> streams(model.max_chunk_tokens() * width);
  std::vector<float> logits(vocab);
  SLUICE_ASSIGN(auto state, SequenceState::create(model.state_shape(), std::min(text.window, predicted)));
  PerplexityResult result;
  double nll_sum = 0;
  while (result.tokens < predicted) {
    if (cancel.stop_requested())
      return fail(ErrorCode::kCancelled, "cancelled after {} tokens", result.tokens);
    if (state.position() == 0) ++result.windows;
    const uint64_t count = std::min(
        {text.window - state.position(), uint64_t{model.max_chunk_tokens()}, predicted - result.tokens});
    SequenceChunk chunk{&state, std::span(text.ids).subspan(result.tokens, count), nullptr, cancel};
    if (on_progress) {
      chunk.on_layer = [&, count](size_t layers_done) {
        if (layers_done < layers) on_progress(result.tokens + count * layers_done / layers, predicted);
      };
    }
    SLUICE_TRY(model.extend(chunk, streams.data()));
    for (uint64_t t = 0; t < count; ++t) {
      model.logits(streams.data() + t * width, 1, logits.data());
      nll_sum += negative_log_likelihood(logits, text.ids[result.tokens + t + 1]);
    }
    result.tokens += count;
    if (state.position() == text.window) state.clear();
    if (on_progress) on_progress(result.tokens, predicted);
  }
  result.nll_per_token = nll_sum / static_cast<double>(predicted);
  result.perplexity = std::exp(result.nll_per_token);
  return result;
}

}  // namespace sluice
