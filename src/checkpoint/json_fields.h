// Typed access to the keys of one JSON object, with errors that name the file and the key.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fail.h"

namespace sluice {

// A view of an object that must outlive it. In all getters a key that is absent or null gives an empty
// optional; a value of another type, or out of range, is kCorrupt.
class JsonFields {
 public:
  // `prefix` stands before keys in messages: "rope_parameters.main.", empty at the top.
  JsonFields(const nlohmann::json& object, std::string file_name, std::string prefix = "");

  Result<std::optional<uint32_t>> integer(const std::string& key, uint32_t least, uint32_t most) const;
  Result<std::optional<double>> real(const std::string& key, double above,
                                     double most) const;  // (above, most]
  Result<std::optional<bool>> boolean(const std::string& key) const;
  Result<std::optional<std::string>> text(const std::string& key) const;
  Result<std::optional<JsonFields>> object(const std::string& key) const;
  Result<std::optional<std::vector<uint32_t>>> integers(const std::string& key, uint32_t least,
                                                        uint32_t most) const;
  Result<std::optional<std::vector<std::string>>> texts(const std::string& key) const;
  // True when the key is there and is an array.
  bool is_array(const std::string& key) const;

  // The same, for keys without a default: their absence is kCorrupt too.
  Result<uint32_t> required_integer(const std::string& key, uint32_t least, uint32_t most) const;
  Result<double> required_real(const std::string& key, double above, double most) const;

  // "<file>: <key> is missing"
  tl::unexpected<Error> missing(const std::string& key) const;
  // "<file>: <key> <message>"
  template <class... Args>
  tl::unexpected<Error> fail_at(ErrorCode code, const std::string& key, fmt::format_string<Args...> format,
                                Args&&... args) const {
    return fail(code, "{}: {} {}", file_name_, path(key), fmt::format(format, std::forward<Args>(args)...));
  }
  // A key as messages name it, prefix included.
  std::string path(const std::string& key) const { return prefix_ + key; }

 private:
  const nlohmann::json* find(const std::string& key) const;
  tl::unexpected<Error> unexpected_value(const std::string& key, const nlohmann::json& found,
                                         const std::string& expected) const;

  const nlohmann::json* object_;
  std::string file_name_;
  std::string prefix_;
};

// One value that a file may state under several keys. All that are there must say the same.
template <class T>
class AgreedValue {
 public:
  // Takes what `key` says, if it is there; kCorrupt when an earlier key said otherwise.
  Status offer(const JsonFields& fields, const std::string& key, const std::optional<T>& value) {
    if (!value) return {};
    if (value_ && *value_ != *value) {
      return fields.fail_at(ErrorCode::kCorrupt, key, "is {} but {} is {}: they mean the same and must agree",
                            *value, source_, *value_);
    }
    if (!value_) source_ = fields.path(key);
    value_ = value;
    return {};
  }

  const std::optional<T>& value() const { return value_; }
  // The key that set it, for messages.
  const std::string& source() const { return source_; }

 private:
  std::optional<T> value_;
  std::string source_;
};

}  // namespace sluice
