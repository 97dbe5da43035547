#include "engine/session_state.h"

#include <algorithm>
#include <cassert>

namespace sluice {
namespace {

// From mark to mark. Fewer are soon taken in again.
constexpr uint64_t kLeastMarkedTokens = 64;

}  // namespace

void Session::State::set_mark() {
  mark.set(sequence);
}

void Session::State::return_to_mark() {
  assert(mark.position() > 0 && mark.position() <= ids.size());
  mark.return_to(sequence);
  ids.resize(mark.position());
}

void Session::State::prepare_for(std::span<const int32_t> context) {
  const uint64_t tokens = reusable_tokens(context);
  if (tokens == ids.size()) return;
  if (tokens == 0) return clear();
  return_to_mark();
}

uint64_t Session::State::mark_of(std::span<const int32_t> context, uint64_t asked) const {
  if (!mark.can_be_set()) return 0;
  const uint64_t last = context.size() - 1;
  if (asked >= std::max<uint64_t>(ids.size(), 1) && asked <= last) return asked;
  return last >= ids.size() && last - mark.position() >= kLeastMarkedTokens ? last : 0;
}

uint64_t Session::State::reusable_tokens(std::span<const int32_t> context) const {
  const auto begins_with = [&](uint64_t tokens) {
    return tokens < context.size() &&
           std::equal(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(tokens), context.begin());
  };
  if (begins_with(ids.size())) return ids.size();
  return begins_with(mark.position()) ? mark.position() : 0;
}

}  // namespace sluice
