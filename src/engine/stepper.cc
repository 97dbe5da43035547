#include "engine/stepper.h"

#include <algorithm>
#include <numeric>

#include "base/fail.h"
#include "engine/generation.h"

namespace sluice {

std::vector<size_t> divide_tokens(std::span<const uint64_t> wanted, size_t limit) {
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return wanted[i]; });
  auto prompts = static_cast<size_t>(std::ranges::count_if(wanted, [](uint64_t want) { return want > 1; }));
  size_t left = std::max(limit, prompts);
  std::vector<size_t> shares(wanted.size(), 1);
  // Who wants least comes first: what it leaves of its share is for the others.
  for (const size_t i : order) {
    if (wanted[i] == 1) continue;
    shares[i] = static_cast<size_t>(std::min<uint64_t>(wanted[i], left / prompts));
    left -= shares[i];
    --prompts;
  }
  return shares;
}

Stepper::Stepper(Model& model, const EngineSizes& sizes)
    : model_(model),
      sizes_(sizes),
      streams_(sizes.pass_tokens() * model.streams_width()),
      logits_(sizes.parallel * model.config().vocab_size) {}

Result<std::unique_ptr<Stepper>> Stepper::create(Model& model, const EngineSizes& sizes) {
  std::unique_ptr<Stepper> stepper(new Stepper(model, sizes));
  const auto layers = model.state_shape();
  for (size_t i = 0; i < sizes.parallel; ++i) {
    SLUICE_ASSIGN(auto mark, SequenceMark::create(layers));
    stepper->before_.push_back(std::move(mark));
  }
  return stepper;
}

uint64_t Stepper::buffer_bytes(const ModelConfig& config, const EngineSizes& sizes,
                               std::span<const LayerStateShape> layers) {
  const uint64_t floats =
      sizes.pass_tokens() * config.hc_mult * config.hidden_size + sizes.parallel * config.vocab_size;
  return floats * sizeof(float) + sizes.parallel * SequenceMark::bytes(layers);
}

Result<StepFigures> Stepper::step(std::span<Generation* const> generations) {
  if (generations.size() > sizes_.parallel) {
    return fail(ErrorCode::kInvalidArgument, "{} generations were given, {} were planned for at once",
                generations.size(), sizes_.parallel);
  }
  const std::vector<Part> parts = divide(generations);
  if (parts.empty()) return StepFigures{};
  const std::vector<SequenceChunk> chunks = chunks_of(parts);
  StepFigures figures{parts.size(), 0};
  for (const Part& part : parts) figures.tokens += part.tokens;
  const auto observed =
      std::ranges::find_if(chunks, [](const auto& chunk) { return chunk.observer != nullptr; });
  const auto results =
      model_.extend(chunks, streams_.data(), observed == chunks.end() ? nullptr : observed->observer);
  for (size_t i = 0; i < parts.size(); ++i)
    settle(parts[i], results ? (*results)[i] : Status(tl::unexpected(results.error())), before_[i]);
  choose(parts);
  return figures;
}

// A pass that reads a piece of a prompt can take minutes: whoever is in it can leave before it ends, and then
// goes back to where it was. A pass of single tokens is short, and not worth the copies.
std::vector<SequenceChunk> Stepper::chunks_of(std::span<const Part> parts) {
  const bool is_long = std::ranges::any_of(parts, [](const Part& part) { return part.tokens > 1; });
  const size_t layers = model_.config().num_hidden_layers;
  std::vector<SequenceChunk> chunks;
  for (const auto& [generation, tokens] : parts) {
    SequenceChunk chunk{&generation->sequence(), generation->next(tokens), generation->observer()};
    if (is_long) {
      before_[chunks.size()].set(generation->sequence());
      chunk.cancel = generation->cancel();
      chunk.on_layer = [generation, tokens, layers](size_t layers_done) {
        generation->on_layer(tokens, layers_done, layers);
      };
    }
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

void Stepper::settle(const Part& part, const Status& status, const SequenceMark& before) {
  if (status) return part.generation->took(part.tokens);
  if (status.error().code != ErrorCode::kCancelled) return part.generation->fail(status.error());
  before.return_to(part.generation->sequence());
  part.generation->end_cancelled();
}

// Prompts first: what is learnt of a sweep's last tokens is then of those that are decoded.
std::vector<Stepper::Part> Stepper::divide(std::span<Generation* const> generations) const {
  std::vector<Part> parts;
  std::vector<uint64_t> wanted;
  bool others_wait = false;
  for (Generation* const generation : generations) {
    const uint64_t tokens = generation->state_->wanted_tokens();
    if (tokens == 0) continue;
    parts.push_back({generation->state_.get(), 0});
    wanted.push_back(tokens);
    others_wait |= generation->state_->is_decoding();
  }
  const size_t limit = others_wait ? sizes_.shared_chunk_tokens : sizes_.chunk_tokens;
  const size_t ones = static_cast<size_t>(std::ranges::count(wanted, uint64_t{1}));
  const std::vector<size_t> shares = divide_tokens(wanted, std::min(limit, sizes_.pass_tokens() - ones));
  for (size_t i = 0; i < parts.size(); ++i) parts[i].tokens = shares[i];
  std::ranges::stable_sort(parts, std::greater(), &Part::tokens);
  return parts;
}

// The last tokens' streams move to the front, so that the output matrix is gone through once for all.
void Stepper::choose(const std::vector<Part>& parts) {
  const size_t width = model_.streams_width();
  std::vector<Generation::State*> choosing;
  size_t row = 0;
  for (const Part& part : parts) {
    row += part.tokens;
    if (!part.generation->wants_to_choose()) continue;
    if (row - 1 != choosing.size())
      std::copy_n(streams_.data() + (row - 1) * width, width, streams_.data() + choosing.size() * width);
    choosing.push_back(part.generation);
  }
  if (choosing.empty()) return;
  model_.logits(streams_.data(), choosing.size(), logits_.data());
  const size_t vocabulary = model_.config().vocab_size;
  for (size_t i = 0; i < choosing.size(); ++i)
    choosing[i]->choose(std::span(logits_).subspan(i * vocabulary, vocabulary));
}

}  // namespace sluice
