// An answer while it is made: written by the engine's thread, read by a connection's.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "server/answer_decoder.h"
#include "sluice/engine.h"

namespace sluice {

// A token of an answer and how likely it was, by the model's own distribution (no temperature, no filters).
struct TokenLogprobs {
  struct Candidate {
    int32_t id = 0;
    double logprob = 0;
  };
  Candidate chosen;
  std::vector<Candidate> top{};  // the likeliest, best first
};

// How an answer ended.
struct AnswerEnd {
  FinishReason finish = FinishReason::kEndOfText;
  std::optional<std::string> stopped_by{};  // the stop text
  bool called_tools = false;
  uint64_t prompt_tokens = 0;
  uint64_t reused_tokens = 0;     // of these, kept from an earlier request
  uint64_t new_tokens = 0;        // the one that ended the text included
  uint64_t reasoning_tokens = 0;  // of these
};

struct AnswerNews {
  std::vector<AnswerPart> parts{};
  std::vector<TokenLogprobs> logprobs{};   // of the tokens since the last news, when they were asked for
  std::optional<Result<AnswerEnd>> end{};  // set once, with the last news
};

// One writer, one reader, each on a thread of its own. What has not been read yet is bounded by the context's
// tokens.
class Answer {
 public:
  Answer();
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  // Readable when there are news, for poll(). -1: the system had no descriptor left.
  int descriptor() const { return descriptor_; }
  // What came since the last call; may be nothing.
  AnswerNews take();

  // The reader has lost interest: generation ends before the next token or chunk.
  void cancel() { cancel_.request_stop(); }
  std::stop_token cancelled() const { return cancel_.get_token(); }

  void add(std::vector<AnswerPart> parts, std::optional<TokenLogprobs> logprobs);
  void finish(Result<AnswerEnd> end);

 private:
  void wake() const;

  int descriptor_;
  std::stop_source cancel_;
  std::mutex mutex_;
  AnswerNews news_;  // guarded by mutex_
};

}  // namespace sluice
