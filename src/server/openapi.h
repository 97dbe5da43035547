// What the server says about itself.
#pragma once

#include <string_view>

namespace sluice {

// The OpenAPI 3.1 document of all paths.
std::string_view openapi_json();

}  // namespace sluice
