#include "checkpoint/json_fields.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using nlohmann::json;

// A value as it stands in the file, short enough for a message.
std::string shown(const json& value) {
  constexpr size_t kMostChars = 60;
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= kMostChars ? text : text.substr(0, kMostChars) + "...";
}

bool is_integer_within(const json& value, uint32_t least, uint32_t most) {
  const auto* number = value.get_ptr<const json::number_unsigned_t*>();
  return number != nullptr && *number >= least && *number <= most;
}

uint32_t as_integer(const json& value) {
  return static_cast<uint32_t>(*value.get_ptr<const json::number_unsigned_t*>());
}

}  // namespace

JsonFields::JsonFields(const json& object, std::string file_name, std::string prefix)
    : object_(&object), file_name_(std::move(file_name)), prefix_(std::move(prefix)) {}

const json* JsonFields::find(const std::string& key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

tl::unexpected<Error> JsonFields::missing(const std::string& key) const {
  return fail_at(ErrorCode::kCorrupt, key, "is missing");
}

tl::unexpected<Error> JsonFields::unexpected_value(const std::string& key, const json& found,
                                                   const std::string& expected) const {
  return fail_at(ErrorCode::kCorrupt, key, "is {}; {} was expected", shown(found), expected);
}

Result<std::optional<uint32_t>> JsonFields::integer(const std::string& key, uint32_t least,
                                                    uint32_t most) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<uint32_t>();
  if (!is_integer_within(*value, least, most)) {
    return unexpected_value(key, *value, fmt::format("a whole number from {} to {}", least, most));
  }
  return std::optional(as_integer(*value));
}

Result<std::optional<double>> JsonFields::real(const std::string& key, double above, double most) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<double>();
  const double number = value->is_number() ? value->get<double>() : above;
  if (!(number > above && number <= most)) {
    return unexpected_value(key, *value, fmt::format("a number above {} and up to {}", above, most));
  }
  return std::optional(number);
}

Result<std::optional<bool>> JsonFields::boolean(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return unexpected_value(key, *value, "true or false");
  return std::optional(*value->get_ptr<const bool*>());
}

Result<std::optional<std::string>> JsonFields::text(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return unexpected_value(key, *value, "a string");
  return std::optional(*value->get_ptr<const std::string*>());
}

Result<std::optional<JsonFields>> JsonFields::object(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<JsonFields>();
  if (!value->is_object()) return unexpected_value(key, *value, "an object");
  return std::optional(JsonFields(*value, file_name_, path(key) + "."));
}

Result<std::optional<std::vector<uint32_t>>> JsonFields::integers(const std::string& key, uint32_t least,
                                                                  uint32_t most) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<std::vector<uint32_t>>();
  if (!value->is_array()) return unexpected_value(key, *value, "an array of whole numbers");
  std::vector<uint32_t> numbers;
  for (const json& element : *value) {
    if (!is_integer_within(element, least, most)) {
      return unexpected_value(fmt::format("{}[{}]", key, numbers.size()), element,
                              fmt::format("a whole number from {} to {}", least, most));
    }
    numbers.push_back(as_integer(element));
  }
  return std::optional(std::move(numbers));
}

Result<std::optional<std::vector<std::string>>> JsonFields::texts(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return std::optional<std::vector<std::string>>();
  if (!value->is_array()) return unexpected_value(key, *value, "an array of strings");
  std::vector<std::string> strings;
  for (const json& element : *value) {
    if (!element.is_string()) {
      return unexpected_value(fmt::format("{}[{}]", key, strings.size()), element, "a string");
    }
    strings.push_back(*element.get_ptr<const std::string*>());
  }
  return std::optional(std::move(strings));
}

bool JsonFields::is_array(const std::string& key) const {
  const json* value = find(key);
  return value != nullptr && value->is_array();
}

Result<uint32_t> JsonFields::required_integer(const std::string& key, uint32_t least, uint32_t most) const {
  SLUICE_ASSIGN(const std::optional<uint32_t> value, integer(key, least, most));
  if (!value) return missing(key);
  return *value;
}

Result<double> JsonFields::required_real(const std::string& key, double above, double most) const {
  SLUICE_ASSIGN(const std::optional<double> value, real(key, above, most));
  if (!value) return missing(key);
  return *value;
}

}  // namespace sluice
