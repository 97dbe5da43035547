// The fields of a request's JSON, with errors that say where they stand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/result.h"
#include "text/python_json.h"

namespace sluice {

// The members of one JSON object. A member that is null counts as absent; one that nobody asks for is
// ignored. Every error is kInvalidArgument and begins with the field's path: "tools[0].name: a number was
// found, a string was expected". A view: the value must outlive it.
class RequestFields {
 public:
  // `path` is "" for the body itself.
  static Result<RequestFields> of(const JsonValue& value, std::string path);

  // Null when absent.
  const JsonValue* find(const char* name) const;
  std::string path_of(const char* name) const;

  Result<std::optional<std::string>> string(const char* name) const;
  Result<std::string> required_string(const char* name) const;
  Result<std::optional<bool>> boolean(const char* name) const;
  // Between `least` and `most`, both included.
  Result<std::optional<double>> number(const char* name, double least, double most) const;
  Result<std::optional<uint64_t>> integer(const char* name, uint64_t least, uint64_t most) const;
  // The elements; null when absent.
  Result<const JsonValue*> array(const char* name) const;
  Result<const JsonValue*> required_array(const char* name) const;
  Result<std::optional<RequestFields>> object(const char* name) const;

  // The error of a member that is not what it should be: "path: <found> was found, <expected> was expected".
  tl::unexpected<Error> unexpected(const char* name, const std::string& expected) const;

 private:
  RequestFields(const JsonValue& value, std::string path) : value_(&value), path_(std::move(path)) {}

  const JsonValue* value_;
  std::string path_;
};

// "messages[2]"
std::string path_of_item(const std::string& array, size_t index);

// A value for messages: "a string", or what a short string or number says.
std::string shown_value(const JsonValue* value);

// The path that an error of RequestFields begins with; empty for other messages.
std::string field_of(const std::string& message);

}  // namespace sluice
