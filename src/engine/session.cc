#include "base/fail.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/session_state.h"

namespace sluice {

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
  const auto shape = loaded_->model->state_shape();
  SLUICE_ASSIGN(auto sequence, SequenceState::create(shape, loaded_->sizes.context_tokens));
  SequenceMark mark;
  if (loaded_->sizes.keep_prompts) {
    SLUICE_ASSIGN(mark, SequenceMark::create(shape));
  }
  if (!stepper_) {
    SLUICE_ASSIGN(stepper_, Stepper::create(*loaded_->model, loaded_->sizes));
  }
  return Session(std::make_unique<Session::State>(
      Session::State{*loaded_, *stepper_, std::move(sequence), {}, std::move(mark)}));
}

Result<StepFigures> Engine::step(std::span<Generation* const> generations) {
  if (generations.empty()) return StepFigures{};
  return stepper_->step(generations);  // there is one: generations have sessions
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
std::span<const int32_t> Session::ids_held() const {
  return state_->ids;
}

uint64_t Session::reusable_tokens(std::span<const int32_t> context) const {
  return state_->reusable_tokens(context);
}

void Session::clear() {
  state_->clear();
}

Result<GenerationResult> Session::generate(const GenerationRequest& request) {
  SLUICE_ASSIGN(Generation generation, Generation::begin(*this, request));
  Generation* const alone = &generation;
  while (!generation.is_over()) SLUICE_TRY(state_->stepper.step({&alone, 1}));
  return generation.take_result();
}

}  // namespace sluice
