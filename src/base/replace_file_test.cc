#include "base/replace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class ReplaceFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sluice_replace_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Status put(const fs::path& path, const std::string& text) {
    return replace_file(path, std::as_bytes(std::span(text)));
  }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }

  fs::path folder_;
};

TEST_F(ReplaceFile, MakesOneAndReplacesItAndLeavesNothingElse) {
  for (const char* text : {"first and long", "second", ""}) {
    ASSERT_TRUE(put(folder_ / "file", text));
    EXPECT_EQ(read_text_file(folder_ / "file", 100), text);
  }
  EXPECT_EQ(files(), 1u);
}

TEST_F(ReplaceFile, WhatCannotBeReplacedStaysAndIsNamed) {
  fs::create_directories(folder_ / "taken" / "inside");
  const Status replaced = put(folder_ / "taken", "text");
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().code, ErrorCode::kIo);
  EXPECT_THAT(replaced.error().message, testing::HasSubstr("taken: cannot be replaced: "));
  EXPECT_EQ(files(), 1u) << "what was written beside it is gone";
  EXPECT_FALSE(put(folder_ / "no" / "folder", "text"));
}

TEST_F(ReplaceFile, TakesBytesOneAfterTheOther) {
  const auto bytes_of = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  const Status replaced = replace_file(folder_ / "file", [&](const AppendBytes& append) -> Status {
    for (const char* part : {"one, ", "", "two"}) SLUICE_TRY(append(bytes_of(part)));
    return {};
  });
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(read_text_file(folder_ / "file", 100), "one, two");
}

TEST_F(ReplaceFile, AnErrorHalfwayLeavesTheOldFileAndNothingElse) {
  ASSERT_TRUE(put(folder_ / "file", "old"));
  const Status replaced = replace_file(folder_ / "file", [&](const AppendBytes& append) -> Status {
    SLUICE_TRY(append(std::as_bytes(std::span("new"))));
    EXPECT_EQ(files(), 2u);
    for (const auto& entry : fs::directory_iterator(folder_))
      EXPECT_EQ(is_half_written(entry.path()), entry.path() != folder_ / "file");
    return tl::unexpected(Error{ErrorCode::kCancelled, "no more"});
  });
  ASSERT_FALSE(replaced);
  EXPECT_EQ(replaced.error().message, "no more");
  EXPECT_EQ(read_text_file(folder_ / "file", 100), "old");
  EXPECT_EQ(files(), 1u);
}

TEST_F(ReplaceFile, ManyAtOnceLeaveOneOfTheirs) {
  {
    std::vector<std::jthread> threads;
    for (char letter = 'a'; letter < 'e'; ++letter) {
      threads.emplace_back([this, letter] {
        for (int i = 0; i < 20; ++i) EXPECT_TRUE(put(folder_ / "file", std::string(5000, letter)));
      });
    }
  }
  const auto text = read_text_file(folder_ / "file", 10000);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, std::string(5000, text->front()));
  EXPECT_EQ(files(), 1u);
}

}  // namespace
}  // namespace sluice
