#include "server/snapshot_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "engine/snapshot_owner.h"
#include "server/session_pool.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(SnapshotName, IsReadAsItWasWrittenAndNothingElseIs) {
  const SnapshotName name{0xfedcba9876543210, 4096, 7, UINT64_MAX};
  EXPECT_EQ(name.file_name(), "fedcba9876543210-4096-0000000000000007ffffffffffffffff.kv");
  EXPECT_EQ(SnapshotName::parse(name.file_name()), name);
  for (const char* other : {"", "lock", "notes.kv", "fedcba9876543210-4096-0000000000000007ffffffffffffffff",
                            "fedcba9876543210-04096-0000000000000007ffffffffffffffff.kv",
                            "fedcba9876543210--096-0000000000000007ffffffffffffffff.kv",
                            " edcba9876543210-4096-0000000000000007ffffffffffffffff.kv",
                            "FEDCBA9876543210-4096-0000000000000007ffffffffffffffff.kv",
                            "fedcba9876543210-4096-0000000000000007ffffffffffffffff.kv.12.new",
                            "fedcba9876543210-99999999999999999999999-0000000000000007ffffffffffffffff.kv"}) {
    EXPECT_FALSE(SnapshotName::parse(other)) << other;
  }
}

class SnapshotStoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineOptions options;
    options.model_folder = SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-bf16";
    options.context_tokens = 1000;
    options.threads = 1;
    options.sessions = 2;
    options.keep_prompts = true;
    engine_ = std::move(Engine::open(options).value());
  }
  static void TearDownTestSuite() { engine_.reset(); }

  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sluice_store_test_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<SnapshotStore> open(uint64_t limit_bytes = SnapshotStore::kDefaultLimitBytes) const {
    auto store = SnapshotStore::open(folder_, limit_bytes, snapshot_owner(engine_->loaded()));
    if (!store) ADD_FAILURE() << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  static Session new_session() { return std::move(engine_->new_session().value()); }

  // Ids of which those of different seeds have nothing in common.
  static std::vector<int32_t> ids_of(size_t tokens, int32_t seed) {
    std::vector<int32_t> ids(tokens);
    for (size_t i = 0; i < tokens; ++i)
      ids[i] = static_cast<int32_t>((i * i * 7 + i) % 100) + 100 * (seed % 2);
    ids[0] = seed;
    return ids;
  }
  static GenerationRequest request(std::vector<int32_t> ids) {
    GenerationRequest made;
    made.context_ids = std::move(ids);
    made.max_new_tokens = 4;
    made.sampling.temperature = 0;
    made.stop_at_end_of_text = false;
    return made;
  }
  static GenerationResult generate(Session& session, std::vector<int32_t> ids) {
    return session.generate(request(std::move(ids))).value();
  }
  // As the scheduler does it.
  static GenerationResult generate(SessionPool& pool, const std::vector<int32_t>& ids) {
    Session* const session = pool.lend(ids).value();
    auto made = request(ids);
    made.mark_tokens = pool.shared_beginning(*session, ids);
    auto result = session->generate(made).value();
    pool.on_prompt(*session);
    pool.give_back(session);
    return result;
  }
  static std::vector<int32_t> fresh_ids(const std::vector<int32_t>& ids) {
    Session session = new_session();
    return generate(session, ids).ids;
  }
  // A session that has taken in these, written as a snapshot by a store that lives no longer than this.
  void put(size_t tokens, int32_t seed) const {
    const auto store = open();
    Session session = new_session();
    generate(session, ids_of(tokens, seed));
    write_prompt(*store, session);
    store->wait_for(session);
  }
  static void write_prompt(SnapshotStore& store, const Session& session) {
    store.write(SessionSnapshot::of_prompt(session).value(), session, SnapshotStore::Time::clock::now());
  }
  std::vector<fs::path> snapshots() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.path().extension() == ".kv") found.push_back(entry.path());
    return found;
  }
  static void flip_bit(const fs::path& path, uint64_t at_bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at_bytes));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at_bytes));
    file.put(static_cast<char>(byte ^ 16));
  }

  static inline std::unique_ptr<Engine> engine_;
  fs::path folder_;
};

TEST_F(SnapshotStoreTest, APromptOutlivesTheStoreThatKeptIt) {
  put(300, 1);
  ASSERT_EQ(snapshots().size(), 1U);
  const auto store = open();
  Session session = new_session();
  const auto ids = ids_of(300, 1);
  EXPECT_EQ(store->saved_tokens(ids), 299U);
  EXPECT_EQ(store->saved_tokens(std::span(ids).first(298)), 0U);
  EXPECT_EQ(store->restore(session, ids, 0), 299U);
  EXPECT_EQ(session.tokens_held(), 299U);
  const auto result = generate(session, ids);
  EXPECT_EQ(result.stats.reused_tokens, 299U);
  EXPECT_EQ(result.ids, fresh_ids(ids));
  const SnapshotFigures figures = store->figures();
  EXPECT_EQ(figures.read, 1U);
  EXPECT_EQ(figures.read_tokens, 299U);
  EXPECT_EQ(figures.read_bytes, fs::file_size(snapshots()[0]));
  EXPECT_EQ(figures.held_bytes, figures.read_bytes);
}

TEST_F(SnapshotStoreTest, TheLongestIsTakenIfItSavesAnything) {
  for (const size_t tokens : {100U, 200U, 300U}) put(tokens, 1);
  put(150, 2);
  const auto store = open();
  Session session = new_session();
  EXPECT_EQ(store->restore(session, ids_of(250, 1), 0), 199U);
  EXPECT_EQ(store->restore(session, ids_of(299, 1), 0), 199U);  // 299 would leave nothing to take in
  EXPECT_EQ(store->restore(session, ids_of(900, 1), 0), 299U);
  EXPECT_EQ(store->restore(session, ids_of(900, 1), 299), 0U);
  EXPECT_EQ(session.tokens_held(), 299U);
  EXPECT_EQ(store->restore(session, ids_of(900, 3), 0), 0U);
}

TEST_F(SnapshotStoreTest, WhatIsDamagedIsIgnoredAndDeletedAndTheNextLongestTaken) {
  for (const size_t tokens : {100U, 200U, 300U, 400U, 500U}) put(tokens, 1);
  for (const auto& path : snapshots()) {
    const uint64_t tokens = SnapshotName::parse(path.filename())->tokens;
    const uint64_t size_bytes = fs::file_size(path);
    if (tokens == 199) flip_bit(path, size_bytes - 500);  // the state
    if (tokens == 299) flip_bit(path, 60);                // the head
    if (tokens == 399) fs::resize_file(path, size_bytes / 2);
    if (tokens == 499) std::ofstream(path, std::ios::trunc) << "something else";
  }
  const auto store = open();
  Session session = new_session();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(store->restore(session, ids_of(900, 1), 0), 99U);
  const std::string warnings = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(warnings, HasSubstr("cut short"));
  EXPECT_THAT(warnings, HasSubstr("its state has another checksum"));
  EXPECT_EQ(store->figures().ignored, 4U);
  EXPECT_EQ(snapshots().size(), 1U);
  EXPECT_EQ(generate(session, ids_of(900, 1)).ids, fresh_ids(ids_of(900, 1)));
}

// A digest of ids in a name is not trusted with the bits.
TEST_F(SnapshotStoreTest, AFileUnderAnothersNameIsIgnored) {
  put(200, 1);
  const fs::path other = snapshots()[0];
  put(200, 2);
  for (const auto& path : snapshots())
    if (path != other) fs::rename(other, path);
  const auto store = open();
  Session session = new_session();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(store->restore(session, ids_of(900, 2), 0), 0U);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("other tokens"));
  EXPECT_TRUE(snapshots().empty());
}

TEST_F(SnapshotStoreTest, AnotherOwnersAreLeftAndSaid) {
  put(200, 1);
  ::testing::internal::CaptureStderr();
  const auto store =
      SnapshotStore::open(folder_, SnapshotStore::kDefaultLimitBytes, "another checkpoint").value();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("1 of 1 snapshots are of other checkpoints"));
  EXPECT_EQ(store->saved_tokens(ids_of(900, 1)), 0U);
  EXPECT_EQ(snapshots().size(), 1U);
  EXPECT_GT(store->figures().held_bytes, 0U);
}

TEST_F(SnapshotStoreTest, WhatWasNotUsedForLongestMakesRoom) {
  put(100, 1);
  const uint64_t bytes = fs::file_size(snapshots()[0]);
  put(100, 2);
  put(100, 3);
  const auto store = open(bytes * 7 / 2);
  Session session = new_session();
  EXPECT_EQ(store->restore(session, ids_of(101, 1), 0), 99U);  // used now
  generate(session, ids_of(100, 4));
  write_prompt(*store, session);
  store->wait_for(session);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 4)), 99U);
  while (store->figures().written == 0) {
  }
  EXPECT_EQ(store->saved_tokens(ids_of(101, 2)), 0U);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 3)), 99U);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 1)), 99U);
  EXPECT_EQ(store->figures().dropped, 1U);
  EXPECT_EQ(snapshots().size(), 3U);
  EXPECT_LE(store->figures().held_bytes, bytes * 7 / 2);
}

TEST_F(SnapshotStoreTest, WhatIsOlderThanTheOthersDoesNotMakeThemGo) {
  const auto before = SnapshotStore::Time::clock::now();
  put(100, 1);
  put(100, 2);
  const uint64_t bytes = fs::file_size(snapshots()[0]);
  {
    const auto store = open(bytes * 5 / 2);
    Session session = new_session();
    generate(session, ids_of(100, 3));
    store->write(SessionSnapshot::of_prompt(session).value(), session, before);
    store->wait_for(session);
  }
  const auto store = open();
  EXPECT_EQ(store->saved_tokens(ids_of(101, 1)), 99U);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 2)), 99U);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 3)), 0U);
}

TEST_F(SnapshotStoreTest, TheOrderOfUseOutlivesTheStoreAndASmallerLimitHoldsAtOnce) {
  put(100, 1);
  put(100, 2);
  const uint64_t bytes = fs::file_size(snapshots()[0]);
  {
    const auto store = open();
    Session session = new_session();
    EXPECT_EQ(store->restore(session, ids_of(101, 1), 0), 99U);
  }
  const auto store = open(bytes * 3 / 2);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 1)), 99U);
  EXPECT_EQ(store->saved_tokens(ids_of(101, 2)), 0U);
  EXPECT_EQ(snapshots().size(), 1U);
}

TEST_F(SnapshotStoreTest, WhatDoesNotFitIsNotWritten) {
  const auto store = open(1000);
  Session session = new_session();
  generate(session, ids_of(300, 1));
  ::testing::internal::CaptureStderr();
  write_prompt(*store, session);
  while (store->figures().failed_writes == 0) {
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("do not fit"));
  EXPECT_TRUE(snapshots().empty());
  EXPECT_EQ(store->saved_tokens(ids_of(300, 1)), 0U);
}

TEST_F(SnapshotStoreTest, AWriteThatFailsIsGivenUpAndTheNextWorks) {
  const auto store = open();
  Session session = new_session();
  generate(session, ids_of(300, 1));
  fs::rename(folder_, folder_.string() + "_away");
  ::testing::internal::CaptureStderr();
  write_prompt(*store, session);
  store->wait_for(session);
  while (store->figures().failed_writes == 0) {
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("is not kept"));
  fs::rename(folder_.string() + "_away", folder_);
  write_prompt(*store, session);
  while (store->figures().written == 0) {
  }
  EXPECT_EQ(store->saved_tokens(ids_of(300, 1)), 299U);
}

// As a full disk does it: some bytes are taken, and then no more.
TEST_F(SnapshotStoreTest, ADiskThatTakesNoMoreCostsTheSnapshotOnly) {
  const auto store = open();
  Session session = new_session();
  generate(session, ids_of(300, 1));
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{10000, limit.rlim_max};
  ::testing::internal::CaptureStderr();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  write_prompt(*store, session);
  store->wait_for(session);
  while (store->figures().failed_writes == 0) {
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("cannot be written"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "more is left than the lock";
  const auto ids = ids_of(301, 1);
  EXPECT_EQ(store->restore(session, ids, 0), 0U);
  EXPECT_EQ(generate(session, ids).ids, fresh_ids(ids));
}

TEST_F(SnapshotStoreTest, AFolderThatCannotBeUsedIsRefused) {
  const auto refused = [](const fs::path& folder) {
    const auto store = SnapshotStore::open(folder, 1, "owner");
    return store ? std::string("taken") : store.error().message;
  };
  EXPECT_THAT(refused("/proc/no-such-folder"),
              HasSubstr("/proc/no-such-folder: prompts cannot be kept here"));
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THAT(refused(folder_ / "file" / "deep"), HasSubstr("name a folder that can be written to"));
  const auto store = open();
  EXPECT_THAT(refused(folder_), HasSubstr("another process keeps its prompts here"));
}

TEST_F(SnapshotStoreTest, HalfWrittenFilesGoAndOthersStay) {
  put(100, 1);
  const std::string half = snapshots()[0].string() + ".77.new";
  std::ofstream(half) << "half";
  std::ofstream(folder_ / "notes.txt") << "mine";
  open();
  EXPECT_FALSE(fs::exists(half));
  EXPECT_TRUE(fs::exists(folder_ / "notes.txt"));
}

TEST_F(SnapshotStoreTest, APoolGoesOnFromSnapshotsToTheBit) {
  const auto ids = ids_of(600, 1);
  {
    const auto store = open();
    SessionPool pool(*engine_, 1, store.get());
    generate(pool, ids);
  }
  const auto store = open();
  SessionPool pool(*engine_, 1, store.get());
  generate(pool, ids_of(10, 2));
  for (const size_t tokens : {600U, 700U, 610U}) {
    auto longer = ids;
    for (size_t i = 600; i < tokens; ++i) longer.push_back(static_cast<int32_t>(i % 50));
    const auto result = generate(pool, longer);
    EXPECT_EQ(result.stats.reused_tokens, 599U);
    EXPECT_EQ(result.ids, fresh_ids(longer)) << tokens;
  }
}

TEST_F(SnapshotStoreTest, ShortPromptsAndShortTurnsAreNotWritten) {
  {
    const auto store = open();
    SessionPool pool(*engine_, 1, store.get());
    generate(pool, ids_of(200, 1));
    EXPECT_EQ(store->saved_tokens(ids_of(200, 1)), 0U);
    generate(pool, ids_of(500, 1));
    EXPECT_EQ(store->saved_tokens(ids_of(500, 1)), 499U);
    generate(pool, ids_of(600, 1));
    EXPECT_EQ(store->saved_tokens(ids_of(600, 1)), 499U);
    pool.keep_all();
    EXPECT_EQ(store->saved_tokens(ids_of(600, 1)), 499U);
    generate(pool, ids_of(900, 1));
    pool.keep_all();
  }
  EXPECT_EQ(snapshots().size(), 2U);
}

// Two prompts show what a third begins with too; the two stay what they are.
TEST_F(SnapshotStoreTest, ASharedBeginningIsKeptInMemoryAndOnDisk) {
  const auto common = ids_of(400, 1);
  const auto asked = [&](int32_t question) {
    auto ids = common;
    for (int32_t i = 0; i < 50; ++i) ids.push_back((question * 37 + i) % 100);
    return ids;
  };
  {
    const auto store = open();
    SessionPool pool(*engine_, 3, store.get());
    generate(pool, asked(1));
    const auto second = generate(pool, asked(2));
    EXPECT_EQ(second.stats.reused_tokens, 0U);
    EXPECT_EQ(store->saved_tokens(asked(4)), 400U);
    const auto third = generate(pool, asked(3));
    EXPECT_EQ(third.stats.reused_tokens, 400U);
    EXPECT_EQ(third.ids, fresh_ids(asked(3)));
    EXPECT_EQ(pool.size(), 3U);
    for (const int32_t question : {1, 3})
      EXPECT_EQ(generate(pool, asked(question)).stats.reused_tokens, 449U);
    auto further = asked(2);
    further.insert(further.end(), second.ids.begin(), second.ids.end());
    const auto gone_on = generate(pool, further);
    EXPECT_EQ(gone_on.stats.reused_tokens, 453U);
    EXPECT_EQ(gone_on.ids, fresh_ids(further));
  }
  const auto store = open();
  SessionPool pool(*engine_, 3, store.get());
  const auto after_restart = generate(pool, asked(5));
  EXPECT_EQ(after_restart.stats.reused_tokens, 400U);
  EXPECT_EQ(after_restart.ids, fresh_ids(asked(5)));
}

// The one session makes room for another conversation, and is there again.
TEST_F(SnapshotStoreTest, WhatMakesRoomInMemoryIsKeptOnDisk) {
  const auto store = open();
  SessionPool pool(*engine_, 1, store.get());
  const auto ids = ids_of(300, 1);
  Session* const session = pool.lend(ids).value();
  auto made = request(ids);
  made.max_new_tokens = 400;
  const auto answer = session->generate(made)->ids;
  pool.give_back(session);
  generate(pool, ids_of(20, 2));
  auto next = ids;
  next.insert(next.end(), answer.begin(), answer.end());
  EXPECT_EQ(store->saved_tokens(next), 699U);  // the last token made is not taken in
  while (store->figures().written < 2) {
  }
  const auto result = generate(pool, next);
  EXPECT_EQ(result.stats.reused_tokens, 699U);
  EXPECT_EQ(result.ids, fresh_ids(next));
}

}  // namespace
}  // namespace sluice
