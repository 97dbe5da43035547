#include "storage/choose_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <functional>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "storage/test_files.h"

namespace sluice {
namespace {

using testing::HasSubstr;

class ChooseReader : public testing::Test {
 protected:
  ChooseReader() {
    auto opened = FileSet::open(std::vector{dir_.write("a.bin", bytes_of(0, 5000))}, FileAccess::kBuffered);
    if (!opened) ADD_FAILURE() << opened.error().message;
    files_ = std::make_shared<const FileSet>(std::move(*opened));
  }

  TempDir dir_;
  std::shared_ptr<const FileSet> files_;
};

// Makes every attempt of this thread, and of those that it starts, to set up a ring end with this error: what
// containers do. It cannot be undone, so the thread is one that the test ends.
bool forbid_rings(int error_number) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error_number)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// False when this machine does not let a thread bind itself.
bool run_without_rings(int error_number, const std::function<void()>& test) {
  bool forbidden = false;
  std::thread([&] {
    forbidden = forbid_rings(error_number);
    if (forbidden) test();
  }).join();
  return forbidden;
}

TEST_F(ChooseReader, WithoutPermissionItReadsWithPreadAndSaysWhy) {
  const auto test = [&] {
    auto chosen = choose_reader(files_, {});
    ASSERT_TRUE(chosen.has_value()) << chosen.error().message;
    EXPECT_EQ(chosen->kind, ReaderKind::kPread);
    EXPECT_EQ(chosen->description,
              "pread on 8 threads, through the page cache: io_uring is not permitted here (EPERM)");
    std::vector<std::byte> bytes(5000);
    std::latch read(1);
    chosen->reader->submit({{0, 0, bytes, bytes.size(), [&](const Result<uint64_t>& moved) {
                               EXPECT_EQ(moved.value_or(0), bytes.size());
                               read.count_down();
                             }}});
    read.wait();
    EXPECT_EQ(bytes, bytes_of(0, 5000));
  };
  if (!run_without_rings(EPERM, test)) GTEST_SKIP() << "seccomp filters are not to be had";
}

TEST_F(ChooseReader, AKernelWithoutRingsIsToldFromOneThatForbidsThem) {
  const auto test = [&] {
    const auto chosen = choose_reader(files_, {ReaderKind::kAuto, 1});
    ASSERT_TRUE(chosen.has_value()) << chosen.error().message;
    EXPECT_EQ(chosen->description,
              "pread on 1 thread, through the page cache: this kernel has no io_uring (ENOSYS)");
  };
  if (!run_without_rings(ENOSYS, test)) GTEST_SKIP() << "seccomp filters are not to be had";
}

TEST_F(ChooseReader, ARingThatWasAskedForAndIsNotToBeHadIsAnError) {
  const auto test = [&] {
    const auto chosen = choose_reader(files_, {ReaderKind::kUring});
    ASSERT_FALSE(chosen.has_value());
    EXPECT_EQ(chosen.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(chosen.error().message, HasSubstr("EPERM"));
  };
  if (!run_without_rings(EPERM, test)) GTEST_SKIP() << "seccomp filters are not to be had";
}

TEST_F(ChooseReader, PrefersARingWhereThereIsOne) {
  const auto forced = choose_reader(files_, {ReaderKind::kUring, 8, 7});
  if (!forced) GTEST_SKIP() << forced.error().message;
  EXPECT_EQ(forced->kind, ReaderKind::kUring);
  EXPECT_EQ(forced->description, "io_uring, 7 in flight, through the page cache");
  const auto chosen = choose_reader(files_, {});
  ASSERT_TRUE(chosen.has_value());
  EXPECT_EQ(chosen->kind, ReaderKind::kUring);
}

TEST_F(ChooseReader, PreadCanBeAskedFor) {
  const auto chosen = choose_reader(files_, {ReaderKind::kPread, 3});
  ASSERT_TRUE(chosen.has_value());
  EXPECT_EQ(chosen->kind, ReaderKind::kPread);
  EXPECT_EQ(chosen->description, "pread on 3 threads, through the page cache");
}

TEST_F(ChooseReader, NumbersOutOfRangeAreRefused) {
  for (const ReaderOptions& options :
       {ReaderOptions{ReaderKind::kAuto, 0, 1}, ReaderOptions{ReaderKind::kAuto, 1, 0},
        ReaderOptions{ReaderKind::kAuto, 1, UringReader::kMaxDepth + 1}}) {
    const auto chosen = choose_reader(files_, options);
    ASSERT_FALSE(chosen.has_value());
    EXPECT_EQ(chosen.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace sluice
