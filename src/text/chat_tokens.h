// The fixed words of the chat format. Private to this room.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sluice {

inline constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kThinkStart = "<think>";
inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kDsml = "｜DSML｜";
inline constexpr std::string_view kUserTurn = "<｜User｜>";
inline constexpr std::string_view kAssistantTurn = "<｜Assistant｜>";
inline constexpr std::string_view kLatestReminder = "<｜latest_reminder｜>";

// Where a block of tool calls begins in an answer; ">" and a line break follow.
inline constexpr std::string_view kToolCallsStart = "\n\n<｜DSML｜tool_calls";
inline constexpr std::string_view kToolCallsEnd = "</｜DSML｜tool_calls>";
inline constexpr std::string_view kInvokeStart = "<｜DSML｜invoke";
inline constexpr std::string_view kInvokeEnd = "</｜DSML｜invoke";
inline constexpr std::string_view kParameterStart = "<｜DSML｜parameter";
inline constexpr std::string_view kParameterEnd = "/｜DSML｜parameter";  // its '<' belongs to what is before

// How many bytes at the end of `text` may be the start of `mark`.
inline size_t possible_start_bytes(std::string_view text, std::string_view mark) {
  if (mark.empty()) return 0;
  size_t count = std::min(text.size(), mark.size() - 1);
  while (!text.ends_with(mark.substr(0, count))) --count;
  return count;
}

}  // namespace sluice
