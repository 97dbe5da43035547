// What a Generation is made of: what it takes in next, and what it makes of the logits.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/sampler.h"
#include "engine/session_state.h"
#include "sluice/engine.h"

namespace sluice {

// Used by Stepper, in this order: next(), then took(), end_cancelled() or fail(), then choose() if
// wants_to_choose().
struct Generation::State {
  // REQUIRES a request that was checked.
  State(Session::State& session, GenerationRequest request);

  bool is_over() const { return outcome_.has_value(); }
  // Tokens that it would take in now: all that is left of the prompt up to the mark, up to its end, or 1. 0
  // when it is over, which it is from now on when it was cancelled.
  uint64_t wanted_tokens();
  bool is_decoding() const { return decode_start_.has_value(); }
  // The first `count` of these tokens.
  std::span<const int32_t> next(size_t count) const;
  SequenceState& sequence() { return session_.sequence; }
  ForwardObserver* observer() const { return request_.observer; }
  const std::stop_token& cancel() const { return request_.cancel; }

  // Of the layers, next(count) has gone through so many.
  void on_layer(size_t count, size_t layers_done, size_t layers);

  // next(count) was taken in.
  void took(size_t count);
  // The pass was left before its end, and the sequence is where it was before it.
  void end_cancelled() { finish(FinishReason::kCancelled); }
  // The pass failed: the session is empty from now on.
  void fail(Error error);

  bool wants_to_choose() const { return !is_over() && session_.ids.size() >= request_.context_ids.size(); }
  // The next token by the logits [V] of those taken in.
  void choose(std::span<const float> logits);

  Result<GenerationResult> take_result() { return *std::move(outcome_); }

 private:
  using Clock = std::chrono::steady_clock;

  void begin_decoding();
  // How it ends with the token that was just chosen, if it does.
  std::optional<FinishReason> finish_of(int32_t id);
  void finish(FinishReason reason);

  void set_mark_if_there();
  void report_prefill(uint64_t tokens_done);

  Session::State& session_;
  const GenerationRequest request_;
  Sampler sampler_;
  uint64_t mark_at_ = 0;           // 0: nowhere
  uint64_t prefill_reported_ = 0;  // tokens
  int32_t chosen_ = 0;             // and not taken in yet; once decoding
  GenerationResult result_;
  Clock::time_point start_;
  std::optional<Clock::time_point> decode_start_;  // set once the prompt is taken in
  StreamCounters counters_;                        // at the beginning of the present phase
  std::optional<Result<GenerationResult>> outcome_;
};

}  // namespace sluice
