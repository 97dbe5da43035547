// Token ids as people write them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// "54 347 93", "54,347,93", "[54, 347, 93]", also over several lines. kInvalidArgument, quoting it, for
// anything that is not an id of a vocabulary of `vocab_size`.
Result<std::vector<int32_t>> parse_ids(std::string_view text, size_t vocab_size);

}  // namespace sluice
