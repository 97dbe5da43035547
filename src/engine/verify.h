// Compares the engine with what another implementation computed, quantity by quantity.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/reference.h"
#include "sluice/result.h"

namespace sluice {

// The bounds of `--numerics exact`, as shares of the reference's standard deviation.
inline constexpr double kMeanErrorBound = 1e-5;
inline constexpr double kLargestErrorBound = 1e-3;
// A greedy step whose best logit led by less may rightly go another way.
inline constexpr double kDecisiveMargin = 0.01;

// One line of the table.
struct VerifyRow {
  std::string subject;   // the case: "short", "medium", "greedy 3"
  std::string schedule;  // how the tokens were fed: "whole", "chunks of 7", "prefill 24 + decode", ...
  std::string quantity;  // "experts", "logits", ...
  uint64_t compared = 0;
  uint64_t different = 0;  // quantities that must be equal: experts, ids
  double mean_error = 0;   // quantities that are near: mean and largest |difference| / standard deviation
  double largest_error = 0;
  bool bounded = true;  // false: shown for a look inside, decides nothing
  bool within = true;
};

struct VerifyReport {
  std::vector<VerifyRow> rows;
  // Every bounded quantity is within its bound, and there is at least one.
  bool within() const;
};

// The chunk size that `loaded` must have been opened with, so that "whole" is one chunk.
size_t verify_chunk_tokens(const std::vector<ReferenceCase>& cases);

// Feeds every case whole, in chunks of 1, 7, 64 and 512, and as a prefill of half of it followed by single
// tokens. `on_row` sees each row as it is known. Errors of the forward pass end it.
Result<VerifyReport> verify(LoadedModel& loaded, const std::vector<ReferenceCase>& cases,
                            const std::vector<GreedyCase>& greedy,
                            const std::function<void(const VerifyRow&)>& on_row);

}  // namespace sluice
