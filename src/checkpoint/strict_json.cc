#include "checkpoint/strict_json.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/fail.h"

namespace sluice {
namespace {

using nlohmann::json;

// Receives the parser's events and builds the value, refusing what the library's own builder would let pass.
class StrictBuilder final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto [entry, is_new] = open_.back()->get_ptr<json::object_t*>()->try_emplace(name);
    if (!is_new) return refuse(fmt::format("the key \"{}\" stands twice in one object", name));
    slot_ = &entry->second;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse(fmt::format("not valid JSON at byte {}", position));
  }

  const std::string& complaint() const { return complaint_; }
  json take() { return std::move(root_); }

 private:
  // Puts the value where it belongs: the root, the end of the open array, or the open object's current key.
  json* place(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (auto* array = open_.back()->get_ptr<json::array_t*>()) return &array->emplace_back(std::move(value));
    *slot_ = std::move(value);
    return slot_;
  }

  bool add(json value) {
    place(std::move(value));
    return true;
  }

  bool open(json container) {
    if (open_.size() == kJsonDepthLimit) {
      return refuse(fmt::format("nested more than {} levels deep", kJsonDepthLimit));
    }
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool refuse(std::string complaint) {
    complaint_ = std::move(complaint);
    return false;
  }

  json root_;
  std::vector<json*> open_;  // the containers around the current position; a parent does not grow meanwhile
  json* slot_ = nullptr;     // the value of the last key
  std::string complaint_;
};

}  // namespace

Result<json> parse_strict_json(std::string_view text, const std::string& file_name) {
  if (text.empty()) return fail(ErrorCode::kCorrupt, "{}: empty; a JSON object was expected", file_name);
  StrictBuilder builder;
  if (!json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(ErrorCode::kCorrupt, "{}: {}", file_name, builder.complaint());
  }
  json value = builder.take();
  if (!value.is_object()) {
    return fail(ErrorCode::kCorrupt, "{}: holds {}; a JSON object was expected", file_name,
                value.type_name());
  }
  return value;
}

}  // namespace sluice
