// How the buffer is cut, when buckets start, and that misuse is refused. What comes out is checked with every
// backend by communicator_cases.hpp.
#include "src/comm/bucket_reducer.hpp"

#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

using namespace anemll;

namespace {

/// Records what is started and when it is waited for.
class RecordingCommunicator final : public Communicator {
 public:
  struct Started {
    std::ptrdiff_t offset;
    std::size_t count;
    void* stream;
    bool operator==(const Started&) const = default;
  };
  explicit RecordingCommunicator(const float* base) : base_(base) {}

  std::vector<Started> started;
  int waits = 0;

  int rank() const override { return 0; }
  int size() const override { return 2; }
  std::string_view backend() const override { return "recording"; }
  void barrier() override {}
  void broadcast(std::span<std::byte>, int) override {}
  void all_gather(std::span<const std::byte>, std::span<std::byte>) override {}
  void all_reduce(std::span<float>, ReduceOp) override {}
  void all_reduce(std::span<double>, ReduceOp) override {}
  void all_reduce(std::span<std::int64_t>, ReduceOp) override {}
  std::unique_ptr<PendingReduce> all_reduce_async(float* data, std::size_t count, void* stream) override {
    started.push_back({data - base_, count, stream});
    return std::make_unique<Pending>(waits);
  }
  void abort(int) override { throw std::logic_error("abort"); }

 private:
  class Pending final : public PendingReduce {
   public:
    explicit Pending(int& waits) : waits_(waits) {}
    void wait() override { ++waits_; }

   private:
    int& waits_;
  };
  const float* base_;
};

using Started = RecordingCommunicator::Started;
const std::vector<std::int64_t> kSizes = {10, 20, 30, 40};  // offsets 0, 10, 30, 60

struct Fixture {
  std::vector<float> buffer = std::vector<float>(100);
  RecordingCommunicator comm{buffer.data()};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(comm)

BOOST_FIXTURE_TEST_CASE(buckets_fill_from_the_end, Fixture) {
  BOOST_CHECK_EQUAL(BucketReducer(comm, buffer.data(), kSizes, 0).bucket_count(), 1U);
  BOOST_CHECK_EQUAL(BucketReducer(comm, buffer.data(), kSizes, 1).bucket_count(), 4U);
  BOOST_CHECK_EQUAL(BucketReducer(comm, buffer.data(), kSizes, 400).bucket_count(), 1U);
  BOOST_CHECK_EQUAL(BucketReducer(comm, buffer.data(), {}, 400).bucket_count(), 0U);
  BucketReducer reducer(comm, buffer.data(), kSizes, 70 * sizeof(float));
  BOOST_CHECK_EQUAL(reducer.bucket_count(), 2U);
  int stream = 0;
  reducer.begin(&stream);
  reducer.finish();
  BOOST_CHECK((comm.started == std::vector<Started>{{30, 70, &stream}, {0, 30, &stream}}));
  BOOST_CHECK_EQUAL(comm.waits, 2);
}

BOOST_FIXTURE_TEST_CASE(a_bucket_starts_with_its_last_parameter_and_after_those_before_it, Fixture) {
  BucketReducer reducer(comm, buffer.data(), kSizes, 70 * sizeof(float));
  reducer.begin();
  reducer.ready(3);
  BOOST_CHECK(comm.started.empty());
  reducer.ready(0);
  reducer.ready(1);  // completes the second bucket, which waits for the first
  BOOST_CHECK(comm.started.empty());
  reducer.ready(2);
  BOOST_CHECK_EQUAL(comm.started.size(), 2U);
  BOOST_CHECK_EQUAL(comm.started.front().offset, 30);
  BOOST_CHECK_EQUAL(comm.waits, 0);
  reducer.finish();
  BOOST_CHECK_EQUAL(comm.started.size(), 2U);
  BOOST_CHECK_EQUAL(comm.waits, 2);
}

BOOST_FIXTURE_TEST_CASE(without_buckets_nothing_starts_before_finish, Fixture) {
  BucketReducer reducer(comm, buffer.data(), kSizes, 0);
  reducer.begin();
  for (const std::size_t i : {3U, 2U, 1U, 0U}) reducer.ready(i);
  BOOST_CHECK(comm.started.empty());
  reducer.finish();
  BOOST_CHECK((comm.started == std::vector<Started>{{0, 100, nullptr}}));
}

BOOST_FIXTURE_TEST_CASE(misuse_is_refused, Fixture) {
  BucketReducer reducer(comm, buffer.data(), kSizes, 4);
  BOOST_CHECK_THROW(reducer.ready(0), std::logic_error);
  BOOST_CHECK_THROW(reducer.finish(), std::logic_error);
  reducer.begin();
  BOOST_CHECK_THROW(reducer.begin(), std::logic_error);
  BOOST_CHECK_THROW(reducer.ready(4), std::logic_error);
  reducer.ready(3);
  BOOST_CHECK_THROW(reducer.ready(3), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
