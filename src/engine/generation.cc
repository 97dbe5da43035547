#include "engine/generation.h"

#include <algorithm>

#include "base/fail.h"
#include "engine/loaded_model.h"

namespace sluice {
namespace {

uint64_t elapsed_ns(std::chrono::steady_clock::time_point since) {
  const auto elapsed = std::chrono::steady_clock::now() - since;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
}

bool ends_text(const ModelConfig& config, int32_t id) {
  return std::ranges::find(config.eos_token_ids, static_cast<uint32_t>(id)) != config.eos_token_ids.end();
}

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

Generation::Generation(std::unique_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

Result<Generation> Generation::begin(Session& session, GenerationRequest request) {
  Session::State& state = *session.state_;
  SLUICE_TRY(check_request(request, state.loaded.checkpoint.config(), session.context_tokens()));
  return Generation(std::make_unique<State>(state, std::move(request)));
}

bool Generation::is_over() const {
  return state_->is_over();
}

Result<GenerationResult> Generation::take_result() {
  return state_->take_result();
}

Generation::State::State(Session::State& session, GenerationRequest request)
    : session_(session),
      request_(std::move(request)),
      sampler_(request_.sampling),
      start_(Clock::now()),
      counters_(session.loaded.store->counters()) {
  const std::vector<int32_t>& context = request_.context_ids;
  session_.prepare_for(context);
  mark_at_ = session_.mark_of(context, request_.mark_tokens);
  set_mark_if_there();
  result_.stats.prompt_tokens = context.size();
  result_.stats.reused_tokens = session_.ids.size();
}

uint64_t Generation::State::wanted_tokens() {
  if (!is_over() && request_.cancel.stop_requested()) finish(FinishReason::kCancelled);
  if (is_over()) return 0;
  if (is_decoding()) return 1;
  return (mark_at_ != 0 ? mark_at_ : request_.context_ids.size()) - session_.ids.size();
}

std::span<const int32_t> Generation::State::next(size_t count) const {
  if (is_decoding()) return {&chosen_, 1};
  return std::span(request_.context_ids).subspan(session_.ids.size(), count);
}

void Generation::State::took(size_t count) {
  const auto ids = next(count);
  session_.ids.insert(session_.ids.end(), ids.begin(), ids.end());
  set_mark_if_there();
  if (!is_decoding()) report_prefill(session_.ids.size());
}

// Until its end, when took() says so, a piece is not taken in.
void Generation::State::on_layer(size_t count, size_t layers_done, size_t layers) {
  if (is_decoding() || layers_done == layers) return;
  const uint64_t tokens = session_.ids.size() + count * layers_done / layers;
  if (tokens > std::max<uint64_t>(prefill_reported_, session_.ids.size())) report_prefill(tokens);
}

void Generation::State::report_prefill(uint64_t tokens_done) {
  prefill_reported_ = tokens_done;
  if (request_.on_prefill) request_.on_prefill(tokens_done, request_.context_ids.size());
}

// From there on the rest of the prompt is wanted.
void Generation::State::set_mark_if_there() {
  if (mark_at_ == 0 || session_.ids.size() != mark_at_) return;
  session_.set_mark();
  mark_at_ = 0;
}

void Generation::State::fail(Error error) {
  session_.clear();  // a failed pass leaves the layers at different positions
  outcome_ = tl::unexpected(std::move(error));
}

void Generation::State::begin_decoding() {
  result_.stats.prefill_ns = elapsed_ns(start_);
  decode_start_ = Clock::now();
  const StreamCounters now = session_.loaded.store->counters();
  result_.stats.prefill = now - counters_;
  counters_ = now;
}

void Generation::State::choose(std::span<const float> logits) {
  if (!is_decoding()) begin_decoding();
  if (request_.cancel.stop_requested()) return finish(FinishReason::kCancelled);
  if (request_.on_logits) request_.on_logits(logits);
  auto id = sampler_.sample(logits);
  if (!id) return fail(std::move(id).error());
  chosen_ = *id;
  if (const auto reason = finish_of(*id)) finish(*reason);
}

std::optional<FinishReason> Generation::State::finish_of(int32_t id) {
  ++result_.stats.new_tokens;
  if (request_.stop_at_end_of_text && ends_text(session_.loaded.checkpoint.config(), id))
    return FinishReason::kEndOfText;
  result_.ids.push_back(id);
  if (request_.on_token && !request_.on_token(id)) return FinishReason::kCancelled;
  if (request_.max_new_tokens != 0 && result_.ids.size() >= request_.max_new_tokens)
    return FinishReason::kMaxTokens;
  if (session_.sequence.position() == session_.sequence.context_tokens()) return FinishReason::kContextFull;
  return std::nullopt;
}

void Generation::State::finish(FinishReason reason) {
  if (!is_decoding()) begin_decoding();
  result_.finish = reason;
  result_.stats.decode_ns = elapsed_ns(*decode_start_);
  result_.stats.decode = session_.loaded.store->counters() - counters_;
  outcome_ = std::move(result_);
}

}  // namespace sluice
