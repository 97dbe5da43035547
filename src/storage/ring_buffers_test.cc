#include "storage/ring_buffers.h"

#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/mman.h>

#include "base/memory.h"

namespace sluice {
namespace {

constexpr size_t kBufferBytes = 4096;

class RingBuffersTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::io_uring_queue_init(4, &ring_, 0) != 0) GTEST_SKIP() << "io_uring is not permitted here";
    has_ring_ = true;
    if (::io_uring_register_buffers_sparse(&ring_, 1) != 0)
      GTEST_SKIP() << "this kernel has no sparse tables";
    ::io_uring_unregister_buffers(&ring_);
    auto memory = MappedMemory::allocate(8 * kBufferBytes);
    ASSERT_TRUE(memory) << memory.error().message;
    memory_ = std::move(*memory);
  }
  ~RingBuffersTest() override {
    if (has_ring_) ::io_uring_queue_exit(&ring_);
  }

  std::span<std::byte> blocks(size_t first, size_t count = 1) const {
    return memory_.bytes().subspan(first * kBufferBytes, count * kBufferBytes);
  }

  io_uring ring_{};
  bool has_ring_ = false;
  MappedMemory memory_;
  RingBuffers buffers_;
};

TEST_F(RingBuffersTest, RegistersABufferWhenItIsFirstReadInto) {
  buffers_.reset(ring_, {blocks(4, 2), blocks(0, 2)});
  EXPECT_EQ(buffers_.registered(), 0U);
  EXPECT_EQ(buffers_.place_of(blocks(5)), 1);
  EXPECT_EQ(buffers_.registered(), 1U);
  EXPECT_EQ(buffers_.place_of(blocks(4, 2)), 1);
  EXPECT_EQ(buffers_.registered(), 1U);
  EXPECT_EQ(buffers_.place_of(blocks(0)), 0);
  EXPECT_EQ(buffers_.registered(), 2U);
}

TEST_F(RingBuffersTest, MemoryThatNoBufferHoldsEntirelyHasNoPlace) {
  buffers_.reset(ring_, {blocks(1, 2), blocks(4, 1)});
  EXPECT_EQ(buffers_.place_of(blocks(0)), std::nullopt);
  EXPECT_EQ(buffers_.place_of(blocks(0, 2)), std::nullopt);
  EXPECT_EQ(buffers_.place_of(blocks(2, 2)), std::nullopt);
  EXPECT_EQ(buffers_.place_of(blocks(7)), std::nullopt);
  EXPECT_EQ(buffers_.registered(), 0U);
}

TEST_F(RingBuffersTest, OtherBuffersTakeThePlacesOfTheFormerOnes) {
  buffers_.reset(ring_, {blocks(0), blocks(1)});
  EXPECT_EQ(buffers_.place_of(blocks(1)), 1);
  buffers_.reset(ring_, {blocks(1)});
  EXPECT_EQ(buffers_.registered(), 0U);
  EXPECT_EQ(buffers_.place_of(blocks(1)), 0);
  EXPECT_EQ(buffers_.place_of(blocks(0)), std::nullopt);
  buffers_.reset(ring_, {});
  EXPECT_EQ(buffers_.place_of(blocks(1)), std::nullopt);
}

TEST_F(RingBuffersTest, WhatTheKernelRefusesIsNotTriedAgain) {
  ASSERT_EQ(::mprotect(memory_.data(), kBufferBytes, PROT_NONE), 0);
  buffers_.reset(ring_, {blocks(0), blocks(1)});
  EXPECT_EQ(buffers_.place_of(blocks(0)), std::nullopt);
  EXPECT_EQ(buffers_.place_of(blocks(1)), std::nullopt);
  EXPECT_EQ(buffers_.registered(), 0U);
}

}  // namespace
}  // namespace sluice
