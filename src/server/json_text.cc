#include "server/json_text.h"

namespace sluice {

std::string json_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string printable(std::string_view bytes) {
  return Json::parse(json_text(Json(bytes))).get<std::string>();
}

}  // namespace sluice
