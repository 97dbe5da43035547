#include "text/python_json.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/fail.h"

namespace sluice {
namespace {

constexpr size_t kMaxDepth = 256;

// repr(float): the shortest digits that read back as the same number, always with a point or an exponent.
std::string python_float(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// Builds a JsonValue from the parser's events: a tree of our own, because numbers keep their spelling.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonValue take_root() { return std::move(root_); }
  const std::string& error() const { return error_; }

  bool null() override { return add({}); }
  bool boolean(bool value) override { return add({.kind = JsonValue::Kind::kBool, .flag = value}); }
  bool number_integer(int64_t value) override { return add_number(fmt::format("{}", value)); }
  bool number_unsigned(uint64_t value) override { return add_number(fmt::format("{}", value)); }
  bool number_float(double value, const std::string& spelling) override {
    const bool is_integer = spelling.find_first_of(".eE") == std::string::npos;  // too large for 64 bits
    return add_number(is_integer ? spelling : python_float(value));
  }
  bool string(std::string& value) override { return add({.kind = JsonValue::Kind::kString, .text = value}); }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // not in JSON texts
  bool start_object(size_t) override { return open(JsonValue::Kind::kObject); }
  bool key(std::string& name) override {
    OpenValue& object = open_.back();
    const auto [place, fresh] = object.places.try_emplace(name, object.value.items.size());
    object.next_item = place->second;
    if (fresh) {
      object.value.keys.push_back(name);
      object.value.items.emplace_back();
    }
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(JsonValue::Kind::kArray); }
  bool end_array() override { return close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& exception) override {
    const std::string_view message = exception.what();  // "[json.exception....] parse error at line 1, ..."
    const size_t bracket = message.find("] ");
    error_ = message.substr(bracket == std::string_view::npos ? 0 : bracket + 2);
    return false;
  }

 private:
  struct OpenValue {
    JsonValue value;
    std::unordered_map<std::string, size_t> places;  // of an object's keys in value.items
    size_t next_item = 0;                            // where an object's next value goes
  };

  bool add_number(std::string text) {
    return add({.kind = JsonValue::Kind::kNumber, .text = std::move(text)});
  }

  bool add(JsonValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().value.is(JsonValue::Kind::kArray)) {
      open_.back().value.items.push_back(std::move(value));
    } else {
      open_.back().value.items[open_.back().next_item] = std::move(value);
    }
    return true;
  }

  bool open(JsonValue::Kind kind) {
    if (open_.size() == kMaxDepth) {
      error_ = fmt::format("nested more than {} deep", kMaxDepth);
      return false;
    }
    open_.push_back({.value = {.kind = kind}, .places = {}});
    return true;
  }

  bool close() {
    JsonValue value = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(value));
  }

  JsonValue root_;
  std::vector<OpenValue> open_;
  std::string error_;
};

void write_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char byte : text) {
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(byte) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(byte));
        } else {
          out += byte;
        }
    }
  }
  out += '"';
}

// Recursion is bounded by kMaxDepth.
void write(const JsonValue& value, std::string& out) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      out += "null";
      return;
    case JsonValue::Kind::kBool:
      out += value.flag ? "true" : "false";
      return;
    case JsonValue::Kind::kNumber:
      out += value.text;
      return;
    case JsonValue::Kind::kString:
      write_string(value.text, out);
      return;
    case JsonValue::Kind::kArray:
    case JsonValue::Kind::kObject:
      break;
  }
  const bool is_object = value.is(JsonValue::Kind::kObject);
  out += is_object ? '{' : '[';
  for (size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) out += ", ";
    if (is_object) {
      write_string(value.keys[i], out);
      out += ": ";
    }
    write(value.items[i], out);
  }
  out += is_object ? '}' : ']';
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto found = std::ranges::find(keys, key);
  return found == keys.end() ? nullptr : &items[static_cast<size_t>(found - keys.begin())];
}

bool JsonValue::truthy() const {
  switch (kind) {
    case Kind::kNull:
      return false;
    case Kind::kBool:
      return flag;
    // Zero in any spelling has no digit but 0 before its exponent.
    case Kind::kNumber:
      return text.substr(0, text.find('e')).find_first_of("123456789") != std::string::npos;
    case Kind::kString:
      return !text.empty();
    case Kind::kArray:
    case Kind::kObject:
      return !items.empty();
  }
  return false;
}

const char* json_kind_name(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::kNull:
      return "null";
    case JsonValue::Kind::kBool:
      return "a boolean";
    case JsonValue::Kind::kNumber:
      return "a number";
    case JsonValue::Kind::kString:
      return "a string";
    case JsonValue::Kind::kArray:
      return "an array";
    case JsonValue::Kind::kObject:
      return "an object";
  }
  return "nothing";
}

Result<JsonValue> parse_json(std::string_view text) {
  // The library takes a NUL for the end and skips a byte order mark; JSON has neither.
  if (text.find('\0') != std::string_view::npos)
    return fail(ErrorCode::kInvalidArgument, "a NUL byte is not JSON");
  if (text.starts_with("\xEF\xBB\xBF")) {
    return fail(ErrorCode::kInvalidArgument, "a byte order mark is not JSON; remove it");
  }
  TreeBuilder builder;
  if (!nlohmann::json::sax_parse(text, &builder)) {
    return fail(ErrorCode::kInvalidArgument, "{}", builder.error());
  }
  return builder.take_root();
}

std::string python_json(const JsonValue& value) {
  std::string out;
  write(value, out);
  return out;
}

std::string python_json_string(std::string_view text) {
  std::string out;
  write_string(text, out);
  return out;
}

}  // namespace sluice
