// What `sluice bench io` found, for people and for programs.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/output.h"
#include "storage/read_probe.h"

namespace sluice {

// One queue depth: medians of its rounds.
struct IoRow {
  size_t depth = 0;
  double bytes_per_second = 0;
  double reads_per_second = 0;
  uint64_t median_latency_ns = 0;
  uint64_t p99_latency_ns = 0;
  double cpu_ns_per_byte = 0;
  std::optional<double> fio_bytes_per_second;

  // Ours as a part of fio's.
  std::optional<double> ratio() const;
};

// Of at least one round; `fio_bytes_per_second` has one figure for each round or none.
IoRow io_row(size_t depth, const std::vector<ProbeFigures>& rounds, std::vector<double> fio_bytes_per_second);

// The middle one, or the mean of the two in the middle. REQUIRES at least one.
double median_of(std::vector<double> figures);

// Lines of the table, each with its line break.
std::string io_heading(const Output& output);
std::string io_line(const IoRow& row);

nlohmann::ordered_json to_json(const IoRow& row);

}  // namespace sluice
