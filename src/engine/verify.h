// Compares the engine with what another implementation computed, quantity by quantity.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/reference.h"
#include "sluice/numerics.h"
#include "sluice/result.h"

namespace sluice {

// Of the differences from the reference, as shares of its standard deviation.
struct ErrorBounds {
  double mean = 0;
  double largest = 0;
};
// Fast numerics may be a hundred times as far off. What must be equal, experts and ids, must be so in both,
// except where experts are too near to tell apart: when two differ in a token's router scores by no more than
// `mean` of those scores' standard deviation. What is allowed to the numbers that come out is allowed to
// those that are chosen by.
constexpr ErrorBounds error_bounds(Numerics numerics) {
  return numerics == Numerics::kExact ? ErrorBounds{1e-5, 1e-3} : ErrorBounds{1e-3, 1e-1};
}
// A greedy step whose best logit led by less may rightly go another way.
inline constexpr double kDecisiveMargin = 0.01;

// One line of the table.
struct VerifyRow {
  std::string subject;   // the case: "short", "medium", "greedy 3"
  std::string schedule;  // how the tokens were fed: "whole", "chunks of 7", "prefill 24 + decode", ...
  std::string quantity;  // "experts", "logits", ...
  uint64_t compared = 0;
  uint64_t different = 0;  // quantities that must be equal: experts, ids. Ties are not among them
  uint64_t near = 0;       // choices of experts or blocks that were too near to tell, however they went
  uint64_t ties = 0;       // those that went otherwise than what was then followed
  double mean_error = 0;   // quantities that are near: mean and largest |difference| / standard deviation
  double largest_error = 0;
  bool bounded = true;  // false: shown for a look inside, decides nothing
  bool within = true;
};

struct VerifyReport {
  Numerics numerics = Numerics::kExact;  // whose bounds were applied: fast also for rows of 16 bits
  std::vector<VerifyRow> rows;
  // Every bounded quantity is within its bound, and there is at least one.
  bool within() const;
  // Of all rows.
  uint64_t near() const;
  uint64_t ties() const;
};

// The chunk size that `loaded` must have been opened with, so that "whole" is one chunk.
size_t verify_chunk_tokens(const std::vector<ReferenceCase>& cases);

// Feeds every case whole, in chunks of 1, 7, 64 and 512, and as a prefill of half of it followed by single
// tokens. Where a choice of experts is a tie the reference's is taken, so that what follows is compared under
// the same choices: after any other difference all that follows differs too. So are exact numerics' blocks,
// in a pass of fast ones: references have those of a few tokens only. Ties are told by this model's own
// scores, since references have none. `on_row` sees each row as it is known. Errors of the forward pass
// end it.
Result<VerifyReport> verify(LoadedModel& loaded, const std::vector<ReferenceCase>& cases,
                            const std::vector<GreedyCase>& greedy,
                            const std::function<void(const VerifyRow&)>& on_row);

}  // namespace sluice
