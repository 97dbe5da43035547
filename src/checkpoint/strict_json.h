// JSON from files that nobody vouches for.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "sluice/result.h"

namespace sluice {

// Containers inside containers, at most. No file of a checkpoint needs ten.
inline constexpr size_t kJsonDepthLimit = 32;

// Parses one JSON object. Refused with kCorrupt and the name of the file: anything else than an object, a key
// that stands twice in one object (readers disagree which of the two counts), nesting beyond kJsonDepthLimit,
// invalid UTF-8, text after the end. Uses no stack per level.
Result<nlohmann::json> parse_strict_json(std::string_view text, const std::string& file_name);

}  // namespace sluice
