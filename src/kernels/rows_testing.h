// For tests and benchmarks only: rows that own their values.
#pragma once

#include <vector>

#include "numerics/rows.h"

namespace sluice {

class StoredRows {
 public:
  // values [rows, width]
  StoredRows(RowFormat format, const std::vector<float>& values, size_t width)
      : format_(format), width_(width), bytes_(values.size() * element_bytes(format)) {
    const size_t row_bytes = width * element_bytes(format);
    for (size_t first = 0; first < values.size(); first += width) {
      std::byte* const row = bytes_.data() + first / width * row_bytes;
      encode_row(format, {values.data() + first, width}, row);
      rows_.push_back(row);
    }
  }
  StoredRows(const StoredRows&) = delete;
  StoredRows& operator=(const StoredRows&) = delete;

  Rows view() const { return {format_, rows_}; }
  float value(size_t row, size_t column) const {
    float value = 0;
    decode_row(format_, rows_[row] + column * element_bytes(format_), {&value, 1});
    return value;
  }
  size_t width() const { return width_; }

 private:
  RowFormat format_;
  size_t width_;
  std::vector<std::byte> bytes_;
  std::vector<const std::byte*> rows_;
};

}  // namespace sluice
