#include "cli/io_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

constexpr const char* kLine = "{:>6} {:>8} {:>10} {:>10} {:>10} {:>10} {:>9} {:>7}\n";

double per_second(uint64_t count, uint64_t elapsed_ns) {
  return static_cast<double>(count) * 1e9 / static_cast<double>(elapsed_ns);
}

std::string milliseconds_text(uint64_t ns) {
  return fmt::format("{:.2f} ms", static_cast<double>(ns) / 1e6);
}

template <class Figure>
double median_over(const std::vector<ProbeFigures>& rounds, Figure figure) {
  std::vector<double> figures;
  for (const ProbeFigures& round : rounds) figures.push_back(static_cast<double>(figure(round)));
  return median_of(std::move(figures));
}

}  // namespace

double median_of(std::vector<double> figures) {
  assert(!figures.empty());
  std::ranges::sort(figures);
  const size_t middle = figures.size() / 2;
  return figures.size() % 2 == 1 ? figures[middle] : (figures[middle - 1] + figures[middle]) / 2;
}

std::optional<double> IoRow::ratio() const {
  if (!fio_bytes_per_second || *fio_bytes_per_second <= 0) return std::nullopt;
  return bytes_per_second / *fio_bytes_per_second;
}

IoRow io_row(size_t depth, const std::vector<ProbeFigures>& rounds,
             std::vector<double> fio_bytes_per_second) {
  IoRow row;
  row.depth = depth;
  row.bytes_per_second = median_over(rounds, [](const auto& round) { return round.bytes_per_second(); });
  row.reads_per_second =
      median_over(rounds, [](const auto& round) { return per_second(round.reads, round.elapsed_ns); });
  row.median_latency_ns =
      static_cast<uint64_t>(median_over(rounds, [](const auto& round) { return round.median_latency_ns; }));
  row.p99_latency_ns =
      static_cast<uint64_t>(median_over(rounds, [](const auto& round) { return round.p99_latency_ns; }));
  row.cpu_ns_per_byte = median_over(rounds, [](const auto& round) {
    return static_cast<double>(round.cpu_ns) / static_cast<double>(round.read_bytes);
  });
  if (!fio_bytes_per_second.empty()) row.fio_bytes_per_second = median_of(std::move(fio_bytes_per_second));
  return row;
}

std::string io_heading(const Output& output) {
  return output.styled(Style::kBold, fmt::format(fmt::runtime(kLine), "depth", "GB/s", "reads/s", "median",
                                                 "p99", "CPU/GB", "fio GB/s", "of fio"));
}

std::string io_line(const IoRow& row) {
  const auto ratio = row.ratio();
  return fmt::format(fmt::runtime(kLine), row.depth, fmt::format("{:.3f}", row.bytes_per_second / 1e9),
                     fmt::format("{:.1f}", row.reads_per_second), milliseconds_text(row.median_latency_ns),
                     milliseconds_text(row.p99_latency_ns),
                     fmt::format("{:.1f} ms", row.cpu_ns_per_byte * 1e3),
                     row.fio_bytes_per_second ? fmt::format("{:.3f}", *row.fio_bytes_per_second / 1e9) : "",
                     ratio ? fmt::format("{:.0f} %", 100 * *ratio) : "");
}

nlohmann::ordered_json to_json(const IoRow& row) {
  nlohmann::ordered_json json{{"depth", row.depth},
                              {"bytes_per_second", row.bytes_per_second},
                              {"reads_per_second", row.reads_per_second},
                              {"median_latency_ns", row.median_latency_ns},
                              {"p99_latency_ns", row.p99_latency_ns},
                              {"cpu_ns_per_byte", row.cpu_ns_per_byte}};
  if (row.fio_bytes_per_second) json["fio_bytes_per_second"] = *row.fio_bytes_per_second;
  if (const auto ratio = row.ratio()) json["of_fio"] = *ratio;
  return json;
}

}  // namespace sluice
