#include "server/answer_writer.h"

#include <random>
#include <string_view>

namespace sluice {

CompleteAnswer complete_answer(const std::vector<AnswerPart>& parts) {
  CompleteAnswer answer;
  for (const AnswerPart& part : parts) {
    switch (part.kind) {
      case AnswerPart::Kind::kReasoning:
        answer.reasoning += part.text;
        break;
      case AnswerPart::Kind::kContent:
        answer.content += part.text;
        break;
      case AnswerPart::Kind::kToolName:
        answer.tool_calls.push_back({.name = part.text});
        break;
      case AnswerPart::Kind::kToolArguments:
        if (!answer.tool_calls.empty()) answer.tool_calls.back().arguments += part.text;
        break;
    }
  }
  return answer;
}

std::string random_id(const std::string& prefix) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr size_t kCount = 24;
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id = prefix;
  for (size_t i = 0; i < kCount; ++i) id += kLetters[random() % kLetters.size()];
  return id;
}

}  // namespace sluice
