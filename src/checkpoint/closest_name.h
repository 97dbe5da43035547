// "Did you mean": for messages about a name that is not there.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice {

// Insertions, deletions and replacements of characters that turn `a` into `b`, counted up to `limit` + 1.
size_t edit_distance(std::string_view a, std::string_view b, size_t limit);

// True when a person who wrote `wanted` may well have meant `candidate`: few edits apart, or one ends in the
// other behind a dot. Names whose numbers differ are never close: another layer's tensor is no help.
bool is_close_name(std::string_view wanted, std::string_view candidate);

}  // namespace sluice
