#include <algorithm>
#include <chrono>

#include "base/fail.h"
#include "engine/loaded_model.h"
#include "engine/sampler.h"
#include "engine/session_state.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

uint64_t elapsed_ns(Clock::time_point since) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - since).count());
}

bool ends_text(const ModelConfig& config, int32_t id) {
  return std::find(config.eos_token_ids.begin(), config.eos_token_ids.end(), static_cast<uint32_t>(id)) !=
         config.eos_token_ids.end();
}

}  // namespace

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndOfText:
      return "end_of_text";
    case FinishReason::kMaxTokens:
      return "max_tokens";
    case FinishReason::kContextFull:
      return "context_full";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "?";
}

Result<Session> Engine::new_session() {
  const ModelConfig& config = loaded_->checkpoint.config();
  SLUICE_ASSIGN(auto sequence,
                SequenceState::create(Model::state_shape(config), loaded_->sizes.context_tokens));
  auto state = std::make_unique<Session::State>(Session::State{*loaded_, std::move(sequence), {}, {}, {}});
  state->streams.resize(loaded_->sizes.chunk_tokens * loaded_->model->streams_width());
  state->logits.resize(config.vocab_size);
  return Session(std::move(state));
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

uint64_t Session::context_tokens() const {
  return state_->sequence.context_tokens();
}
uint64_t Session::tokens_held() const {
  return state_->sequence.position();
}

void Session::clear() {
  state_->sequence.clear();
  state_->ids.clear();
}

Status Session::State::extend(std::span<const int32_t> chunk, ForwardObserver* observer) {
  SLUICE_TRY(loaded.model->extend(sequence, chunk, streams.data(), observer));
  ids.insert(ids.end(), chunk.begin(), chunk.end());
  return {};
}

Result<bool> Session::State::take_in(const GenerationRequest& request, GenerationStats& stats) {
  const std::vector<int32_t>& context = request.context_ids;
  const bool grows = ids.size() < context.size() && std::equal(ids.begin(), ids.end(), context.begin());
  if (!grows) {
    sequence.clear();
    ids.clear();
  }
  stats.reused_tokens = ids.size();
  const size_t width = loaded.model->streams_width();
  size_t last_chunk_tokens = 0;
  while (ids.size() < context.size()) {
    if (request.cancel.stop_requested()) return false;
    last_chunk_tokens = std::min(loaded.sizes.chunk_tokens, context.size() - ids.size());
    SLUICE_TRY(extend(std::span(context).subspan(ids.size(), last_chunk_tokens), request.observer));
    if (request.on_prefill) request.on_prefill(ids.size(), context.size());
  }
  loaded.model->logits(streams.data() + (last_chunk_tokens - 1) * width, 1, logits.data());
  return true;
}

Status Session::State::take_in(int32_t id, ForwardObserver* observer) {
  SLUICE_TRY(extend({&id, 1}, observer));
  loaded.model->logits(streams.data(), 1, logits.data());
  return {};
}

namespace {

// What can be refused before the session is touched.
Status check_request(const GenerationRequest& request, const ModelConfig& config, uint64_t context_tokens) {
  SLUICE_TRY(check_sampling(request.sampling));
  if (request.context_ids.empty())
    return fail(ErrorCode::kInvalidArgument, "the prompt is empty: no token to start from");
  for (const int32_t id : request.context_ids) {
    if (id >= 0 && static_cast<uint32_t>(id) < config.vocab_size) continue;
    return fail(ErrorCode::kInvalidArgument, "token id {} is outside the vocabulary of {}", id,
                config.vocab_size);
  }
  if (request.context_ids.size() <= context_tokens) return {};
  return fail(ErrorCode::kOutOfBudget,
              "the prompt has {} tokens and the context holds {}: ask for a larger --context",
              request.context_ids.size(), context_tokens);
}

}  // namespace

Result<GenerationResult> Session::generate(const GenerationRequest& request) {
  SLUICE_TRY(check_request(request, state_->loaded.checkpoint.config(), context_tokens()));
  auto result = run(request);
  if (!result) clear();  // a failed pass leaves the layers at different positions
  return result;
}

Result<GenerationResult> Session::run(const GenerationRequest& request) {
  GenerationResult result;
  GenerationStats& stats = result.stats;
  const ExpertStore& store = *state_->loaded.store;
  stats.prompt_tokens = request.context_ids.size();
  const StreamCounters at_start = store.counters();
  const auto start = Clock::now();
  SLUICE_ASSIGN(const bool taken_in, state_->take_in(request, stats));
  stats.prefill_ns = elapsed_ns(start);
  const StreamCounters at_decode = store.counters();
  stats.prefill = at_decode - at_start;
  const auto decode_start = Clock::now();
  result.finish = FinishReason::kCancelled;
  if (taken_in) {
    SLUICE_ASSIGN(result.finish, decode(request, result));
  }
  stats.decode_ns = elapsed_ns(decode_start);
  stats.decode = store.counters() - at_decode;
  return result;
}

Result<FinishReason> Session::decode(const GenerationRequest& request, GenerationResult& result) {
  const ModelConfig& config = state_->loaded.checkpoint.config();
  Sampler sampler(request.sampling);
  while (true) {
    if (request.cancel.stop_requested()) return FinishReason::kCancelled;
    if (request.on_logits) request.on_logits(state_->logits);
    SLUICE_ASSIGN(const int32_t id, sampler.sample(state_->logits));
    ++result.stats.new_tokens;
    if (request.stop_at_end_of_text && ends_text(config, id)) return FinishReason::kEndOfText;
    result.ids.push_back(id);
    if (request.on_token && !request.on_token(id)) return FinishReason::kCancelled;
    if (request.max_new_tokens != 0 && result.ids.size() >= request.max_new_tokens)
      return FinishReason::kMaxTokens;
    if (state_->sequence.position() == context_tokens()) return FinishReason::kContextFull;
    SLUICE_TRY(state_->take_in(id, request.observer));
  }
}

}  // namespace sluice
