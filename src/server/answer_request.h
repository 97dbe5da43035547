// What every API's requests come down to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/sampling.h"
#include "text/chat.h"
#include "text/prompt.h"

namespace sluice {

struct AnswerRequest {
  // The text to go on from, or (OpenAI's completions only) its tokens.
  Prompt prompt{};
  std::vector<int32_t> prompt_ids{};

  // A turn of an assistant: reasoning, answer and tool calls are told apart. Nothing: plain text.
  std::optional<ThinkingMode> turn{};
  bool may_call = false;  // there are tools; otherwise a call is just text
  // A part of the answer that the prompt ends with already: a tool call that the model must make.
  std::string answer_start{};

  uint64_t max_tokens = 0;  // 0: until the text or the context ends
  SamplingOptions sampling{};
  std::vector<std::string> stop{};  // texts that end the answer and are no part of it; none empty
  std::optional<uint32_t>
      top_logprobs{};       // log-probabilities are wanted: of the token, and of so many likeliest
  bool ignore_end = false;  // the end of the text is a token like any other
  bool stream = false;
  bool include_usage = false;  // OpenAI, streaming: a last chunk that says what it took
};

// The most texts in AnswerRequest::stop, the longest of them, and the most AnswerRequest::top_logprobs.
inline constexpr size_t kMaxStopTexts = 16;
inline constexpr size_t kMaxStopBytes = 1024;
inline constexpr uint32_t kMaxTopLogprobs = 20;
inline constexpr uint64_t kMaxTokensLimit = 1 << 30;

}  // namespace sluice
