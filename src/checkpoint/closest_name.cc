#include "checkpoint/closest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace sluice {
namespace {

// The digits of a name, with a mark between runs.
std::vector<char> numbers_in(std::string_view name) {
  std::vector<char> numbers;
  bool in_number = false;
  for (const char c : name) {
    const bool is_digit = c >= '0' && c <= '9';
    if (in_number && !is_digit) numbers.push_back('.');
    if (is_digit) numbers.push_back(c);
    in_number = is_digit;
  }
  if (in_number) numbers.push_back('.');
  return numbers;
}

bool ends_in_part(std::string_view name, std::string_view part) {
  return name.size() > part.size() && name.ends_with(part) && name[name.size() - part.size() - 1] == '.';
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b, size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > limit) return limit + 1;
  std::vector<size_t> row(b.size() + 1);  // row[j]: the distance of a's first i characters to b's first j
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
    if (*std::min_element(row.begin(), row.end()) > limit) return limit + 1;
  }
  return std::min(row[b.size()], limit + 1);
}

bool is_close_name(std::string_view wanted, std::string_view candidate) {
  constexpr size_t kFewEdits = 3;
  if (numbers_in(wanted) != numbers_in(candidate)) return false;
  if (ends_in_part(wanted, candidate) || ends_in_part(candidate, wanted)) return true;
  return edit_distance(wanted, candidate, kFewEdits) <= std::min(kFewEdits, wanted.size() / 4);
}

}  // namespace sluice
