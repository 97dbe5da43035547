// JSON for answers: members in the order in which they were put in.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sluice {

using Json = nlohmann::ordered_json;

// On one line, always valid UTF-8: bytes that are not become U+FFFD.
std::string json_text(const Json& value);

// Bytes as text that may stand for a key: what is not UTF-8 becomes U+FFFD.
std::string printable(std::string_view bytes);

}  // namespace sluice
