// JSON as Python's json module reads and writes it: the chat format embeds json.dumps(value,
// ensure_ascii=False), and a prompt that differs by a space is another prompt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// A parsed value. Objects keep the order of their keys; of a key given twice the last value counts, at the
// first one's place, as in a Python dict.
struct JsonValue {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool flag = false;  // kBool
  std::string
      text{};  // kString: the contents. kNumber: as Python writes it: 1.0, 1e+16, integers of any size
  std::vector<JsonValue> items{};   // kArray, and the values of kObject
  std::vector<std::string> keys{};  // kObject: keys[i] names items[i]

  bool is(Kind other) const { return kind == other; }
  // The member of that name, or nullptr: absent, or no object.
  const JsonValue* find(std::string_view key) const;
  // What Python's bool() says: false for null, false, zero and whatever is empty.
  bool truthy() const;
};

// "null", "a boolean", "a number", "a string", "an array", "an object": for messages.
const char* json_kind_name(JsonValue::Kind kind);

// Parses one JSON text. kInvalidArgument, with line and column, for anything that is not JSON in valid UTF-8,
// or nested more than 256 deep. Narrower than Python in what JSON does not know either: NaN, Infinity,
// numbers above 1.8e308 and lone surrogates, which no prompt could hold, are refused.
Result<JsonValue> parse_json(std::string_view text);

// json.dumps(value, ensure_ascii=False): ", " and ": " between, nothing escaped but quotes, backslashes and
// controls.
std::string python_json(const JsonValue& value);
std::string python_json_string(std::string_view text);

}  // namespace sluice
