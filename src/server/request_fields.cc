#include "server/request_fields.h"

#include <charconv>

#include "base/fail.h"

namespace sluice {
namespace {

using Kind = JsonValue::Kind;
constexpr size_t kShownBytes = 40;

}  // namespace

std::string path_of_item(const std::string& array, size_t index) {
  return fmt::format("{}[{}]", array, index);
}

std::string shown_value(const JsonValue* value) {
  if (value == nullptr) return "nothing";
  if (value->is(Kind::kNumber) && value->text.size() <= kShownBytes) return value->text;
  if (value->is(Kind::kString) && value->text.size() <= kShownBytes) return "\"" + value->text + "\"";
  if (value->is(Kind::kBool)) return value->flag ? "true" : "false";
  return json_kind_name(value->kind);
}

std::string field_of(const std::string& message) {
  const size_t end = message.find(": ");
  const auto is_path_byte = [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '.' || byte == '[' || byte == ']';
  };
  if (end == std::string::npos || end == 0) return {};
  for (size_t i = 0; i < end; ++i) {
    if (!is_path_byte(message[i])) return {};
  }
  return message.substr(0, end);
}

Result<RequestFields> RequestFields::of(const JsonValue& value, std::string path) {
  if (value.is(Kind::kObject)) return RequestFields(value, std::move(path));
  return fail(ErrorCode::kInvalidArgument, "{}: {} was found, an object was expected",
              path.empty() ? "the body" : path, shown_value(&value));
}

const JsonValue* RequestFields::find(const char* name) const {
  const JsonValue* value = value_->find(name);
  return value == nullptr || value->is(Kind::kNull) ? nullptr : value;
}

std::string RequestFields::path_of(const char* name) const {
  return path_.empty() ? name : path_ + "." + name;
}

tl::unexpected<Error> RequestFields::unexpected(const char* name, const std::string& expected) const {
  return fail(ErrorCode::kInvalidArgument, "{}: {} was found, {} was expected", path_of(name),
              shown_value(find(name)), expected);
}

Result<std::optional<std::string>> RequestFields::string(const char* name) const {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is(Kind::kString)) return unexpected(name, "a string");
  return std::optional(value->text);
}

Result<std::string> RequestFields::required_string(const char* name) const {
  SLUICE_ASSIGN(auto text, string(name));
  if (!text) return unexpected(name, "a string");
  return *std::move(text);
}

Result<std::optional<bool>> RequestFields::boolean(const char* name) const {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is(Kind::kBool)) return unexpected(name, "a boolean");
  return std::optional(value->flag);
}

Result<std::optional<double>> RequestFields::number(const char* name, double least, double most) const {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::optional<double>();
  double number = 0;
  const std::string expected = fmt::format("a number from {} to {}", least, most);
  if (!value->is(Kind::kNumber)) return unexpected(name, expected);
  const char* end = value->text.data() + value->text.size();
  const auto [stop, error] = std::from_chars(value->text.data(), end, number);
  if (error != std::errc() || stop != end || !(number >= least && number <= most))
    return unexpected(name, expected);
  return std::optional(number);
}

Result<std::optional<uint64_t>> RequestFields::integer(const char* name, uint64_t least,
                                                       uint64_t most) const {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::optional<uint64_t>();
  uint64_t number = 0;
  const std::string expected = fmt::format("a whole number from {} to {}", least, most);
  if (!value->is(Kind::kNumber)) return unexpected(name, expected);
  std::string_view text = value->text;
  if (text.ends_with(".0")) text.remove_suffix(2);
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size() || number < least || number > most) {
    return unexpected(name, expected);
  }
  return std::optional(number);
}

Result<const JsonValue*> RequestFields::array(const char* name) const {
  const JsonValue* value = find(name);
  if (value != nullptr && !value->is(Kind::kArray)) return unexpected(name, "an array");
  return value;
}

Result<const JsonValue*> RequestFields::required_array(const char* name) const {
  SLUICE_ASSIGN(const JsonValue* value, array(name));
  if (value == nullptr) return unexpected(name, "an array");
  return value;
}

Result<std::optional<RequestFields>> RequestFields::object(const char* name) const {
  const JsonValue* value = find(name);
  if (value == nullptr) return std::optional<RequestFields>();
  SLUICE_ASSIGN(auto fields, of(*value, path_of(name)));
  return std::optional(std::move(fields));
}

}  // namespace sluice
