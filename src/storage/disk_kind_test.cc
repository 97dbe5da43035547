#include "storage/disk_kind.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace sluice {
namespace {

namespace fs = std::filesystem;

// /proc and /sys of a machine with two disks, a share on the network and a btrfs.
class DiskKindTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sluice_disks_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    write("proc/self/mountinfo",
          "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
          "a line that is cut short\n"
          "30 21 259:0 / /no-such-data rw shared:5 master:1 - xfs /dev/nvme0n1 rw\n"
          "31 21 0:40 / /no-such-share rw - nfs4 server:/models rw\n"
          "32 21 0:41 / /no\\040such\\040place rw - btrfs /dev/sdb rw\n"
          "33 21 0:42 / /no-such-data/hidden rw - tmpfs none rw\n"
          "34 21 259:0 / /no-such-data/hidden rw - xfs /dev/nvme0n1 rw\n");
    write("sys/devices/sda/queue/rotational", "1\n");
    write("sys/devices/sda/sda1/uevent", "MAJOR=8\nDEVNAME=sda1\n");
    write("sys/devices/nvme0n1/queue/rotational", "0\n");
    write("sys/devices/nvme0n1/uevent", "DEVNAME=nvme0n1\n");
    write("sys/class/block/sdb/queue/rotational", "0\n");
    write("sys/class/block/sdb/uevent", "DEVNAME=sdb\n");
    fs::create_directories(root_ / "sys/dev/block");
    fs::create_symlink("../../devices/sda/sda1", root_ / "sys/dev/block/8:1");
    fs::create_symlink("../../devices/nvme0n1", root_ / "sys/dev/block/259:0");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(DiskKindTest, OfAPartitionTheWholeDiskTells) {
  const DiskKind kind = disk_kind("/no-such-home/model", root_);
  EXPECT_EQ(kind.file_system, "ext4");
  EXPECT_EQ(kind.device, "sda1");
  EXPECT_EQ(kind.rotational, true);
  EXPECT_FALSE(kind.is_remote());
}

TEST_F(DiskKindTest, TheNearestMountCounts) {
  EXPECT_EQ(disk_kind("/no-such-data/model", root_).device, "nvme0n1");
  EXPECT_EQ(disk_kind("/no-such-data/model", root_).rotational, false);
  EXPECT_EQ(disk_kind("/no-such-database", root_).device, "sda1") << "a longer name is another folder";
  EXPECT_EQ(disk_kind("/no-such-data/hidden/model", root_).file_system, "xfs")
      << "the later mount hides the other";
}

TEST_F(DiskKindTest, ANetworkShareHasNoDevice) {
  const DiskKind kind = disk_kind("/no-such-share/model", root_);
  EXPECT_TRUE(kind.is_remote());
  EXPECT_EQ(kind.device, "");
  EXPECT_EQ(kind.rotational, std::nullopt);
}

TEST_F(DiskKindTest, WithoutNumbersOfItsOwnTheSourceTells) {
  const DiskKind kind = disk_kind("/no such place/model", root_);
  EXPECT_EQ(kind.device, "sdb");
  EXPECT_EQ(kind.rotational, false);
}

TEST_F(DiskKindTest, WhereTheSystemSaysNothingNothingIsKnown) {
  const DiskKind kind = disk_kind("/data", root_ / "nowhere");
  EXPECT_EQ(kind.file_system, "");
  EXPECT_EQ(kind.rotational, std::nullopt);
}

}  // namespace
}  // namespace sluice
