// For tests: a folder that cleans up after itself, and files of known bytes in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "storage/file_set.h"

namespace sluice {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "cannot make " << pattern;
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  // Writes (or overwrites, in place) a file; says what a FileSet needs to know of it.
  FileSpec write(const std::string& name, const std::vector<std::byte>& bytes) const {
    const std::filesystem::path path = path_ / name;
    std::ofstream stream(path, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    stream.close();
    EXPECT_TRUE(stream.good()) << path;
    return {path, bytes.size()};
  }

 private:
  std::filesystem::path path_;
};

// Bytes that differ from place to place and from `seed` to seed.
inline std::byte byte_at(uint64_t seed, uint64_t offset_bytes) {
  return static_cast<std::byte>(((seed * 0x9E3779B97F4A7C15u) ^ (offset_bytes * 0xBF58476D1CE4E5B9u)) >> 37);
}

inline std::vector<std::byte> bytes_of(uint64_t seed, size_t size_bytes) {
  std::vector<std::byte> bytes(size_bytes);
  for (size_t i = 0; i < size_bytes; ++i) bytes[i] = byte_at(seed, i);
  return bytes;
}

}  // namespace sluice
