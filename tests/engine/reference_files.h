// For tests only: the recorded outputs of the reference implementation, and comparing with them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "engine/verify.h"
#include "engine_runs.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

inline std::vector<ReferenceCase> reference_cases(const std::filesystem::path& file,
                                                  const ModelConfig& config) {
  auto cases = load_reference(file, config);
  if (!cases) ADD_FAILURE() << cases.error().message;
  return cases ? std::move(*cases) : std::vector<ReferenceCase>{};
}

// A model, opened so that each of `cases` is one chunk.
inline std::unique_ptr<LoadedModel> load_for(const std::filesystem::path& folder,
                                             const std::vector<ReferenceCase>& cases) {
  EngineOptions options = options_for(folder, StreamMode::kResident);
  options.chunk_tokens = verify_chunk_tokens(cases);
  return load(options);
}

inline ModelConfig config_of(const std::filesystem::path& folder) {
  auto checkpoint = Checkpoint::open(folder);
  if (!checkpoint) ADD_FAILURE() << checkpoint.error().message;
  return checkpoint ? checkpoint->config() : ModelConfig{};
}

// The rows that are not within their bounds, bounded or not; empty when the report is.
inline std::string rows_outside(const VerifyReport& report) {
  std::string text;
  for (const VerifyRow& row : report.rows) {
    if (row.within) continue;
    text += row.subject + ", " + row.schedule + ", " + row.quantity + ": " + std::to_string(row.different) +
            " of " + std::to_string(row.compared) + " differ, mean error " + std::to_string(row.mean_error) +
            ", largest " + std::to_string(row.largest_error) + "\n";
  }
  return text;
}

inline VerifyReport verify_or_fail(LoadedModel& loaded, const std::vector<ReferenceCase>& cases,
                                   const std::vector<GreedyCase>& greedy) {
  auto report = verify(loaded, cases, greedy, {});
  if (!report) ADD_FAILURE() << report.error().message;
  return report ? std::move(*report) : VerifyReport{};
}

inline std::vector<GreedyCase> greedy_cases(const ModelConfig& config) {
  const auto path = kTinyV4Reference / "greedy.json";
  auto text = read_text_file(path, 1 << 20);
  if (!text) ADD_FAILURE() << text.error().message;
  auto cases = parse_greedy(text.value_or(""), path.string(), config);
  if (!cases) ADD_FAILURE() << cases.error().message;
  return cases ? std::move(*cases) : std::vector<GreedyCase>{};
}

}  // namespace sluice::testing
