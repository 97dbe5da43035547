// Files of messages, in either of the shapes that people have.
#pragma once

#include <string>
#include <string_view>

#include "text/chat.h"

namespace sluice {

// An array of messages, or an object with "messages". kInvalidArgument, naming file and field, as
// parse_messages; also for "tools" beside the messages, which would not reach the prompt: they belong into
// the system message.
Result<Conversation> parse_messages_file(std::string_view json, const std::string& file_name);

}  // namespace sluice
