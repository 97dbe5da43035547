#include "cli/verify_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice {
namespace {

constexpr const char* kLine = "{:<12} {:<20} {:<16} {:>10} {:>9} {:>10} {:>10} {:>10}  {}\n";

bool is_exact(const VerifyRow& row) {
  return row.quantity == "experts" || row.quantity == "index blocks" || row.quantity == "ids";
}

// What could not be decided; nothing when everything could.
std::string ties_of(const VerifyReport& report) {
  if (report.near() == 0) return "";
  return fmt::format("; ties: {} of {} choices too near to tell", report.ties(), report.near());
}

}  // namespace

std::string verify_heading() {
  return fmt::format(fmt::runtime(kLine), "case", "schedule", "quantity", "compared", "different", "ties",
                     "mean err", "largest err", "verdict");
}

std::string verify_line(const VerifyRow& row, const Output& output) {
  const bool exact = is_exact(row);
  std::string verdict =
      row.within ? output.styled(Style::kGreen, "ok") : output.styled(Style::kRed, "BEYOND");
  if (!row.bounded) verdict = output.styled(Style::kDim, "(for information)");
  return fmt::format(fmt::runtime(kLine), row.subject, row.schedule, row.quantity, row.compared,
                     exact ? fmt::format("{}", row.different) : "",
                     row.near > 0 ? fmt::format("{} of {}", row.ties, row.near) : "",
                     exact ? "" : fmt::format("{:.1e}", row.mean_error),
                     exact ? "" : fmt::format("{:.1e}", row.largest_error), verdict);
}

std::string verify_verdict(const VerifyReport& report, const Output& output) {
  const auto bounded =
      std::count_if(report.rows.begin(), report.rows.end(), [](const auto& row) { return row.bounded; });
  const auto beyond = std::count_if(report.rows.begin(), report.rows.end(),
                                    [](const auto& row) { return row.bounded && !row.within; });
  const std::string verdict =
      report.within() ? output.styled(Style::kGreen, "PASS") : output.styled(Style::kRed, "FAIL");
  const std::string count = beyond == 0
                                ? fmt::format("all {} quantities", bounded)
                                : fmt::format("{} of {} quantities are beyond, the others", beyond, bounded);
  const ErrorBounds bounds = error_bounds(report.numerics);
  return fmt::format(
      "{}: {} within the bounds of {} numerics (mean error {:.0e}, largest {:.0e} of the standard deviation; "
      "equal experts and ids{})\n",
      verdict, count, numerics_name(report.numerics), bounds.mean, bounds.largest, ties_of(report));
}

}  // namespace sluice
