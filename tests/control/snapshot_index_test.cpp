// What control keeps so that many channels cost little: the index of a snapshot, and JSON that is shared.
#include "control/daemon/snapshot_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/daemon/shared_json.h"

namespace headgate::control {
namespace {

using ::testing::IsEmpty;

InputSnapshot input_of(const char* channel, std::uint32_t number) {
  InputSnapshot input;
  input.channel = channel;
  input.number = number;
  return input;
}

TEST(SnapshotIndex, FindsTheEntriesOfAChannelInTheirOrder) {
  Snapshot snapshot;
  snapshot.inputs = {input_of("news", 2), input_of("sport", 1), input_of("news", 1)};
  snapshot.outputs.resize(2);
  snapshot.outputs[0].channel = "sport";
  snapshot.outputs[1].channel = "news";
  snapshot.channels.resize(1);
  snapshot.channels[0].channel = "sport";
  const SnapshotIndex index(snapshot);
  ASSERT_EQ(index.inputs("news").size(), 2U);
  EXPECT_EQ(index.inputs("news")[0], &snapshot.inputs[0]);
  EXPECT_EQ(index.inputs("news")[1], &snapshot.inputs[2]);
  ASSERT_EQ(index.outputs("news").size(), 1U);
  EXPECT_EQ(index.outputs("news")[0], &snapshot.outputs[1]);
  EXPECT_EQ(index.channel("sport"), &snapshot.channels[0]);
}

TEST(SnapshotIndex, HasNothingOfAChannelThatIsNotThere) {
  const Snapshot snapshot;
  const SnapshotIndex index(snapshot);
  EXPECT_THAT(index.inputs("news"), IsEmpty());
  EXPECT_THAT(index.outputs("news"), IsEmpty());
  EXPECT_EQ(index.channel("news"), nullptr);
}

TEST(SharedJson, IsOneForItsCopiesUntilOneIsChanged) {
  SharedJson first(nlohmann::json{{"packets", 1}});
  const SharedJson second = first;
  const nlohmann::json& before = second;
  EXPECT_EQ(&static_cast<const nlohmann::json&>(first), &before);
  first["packets"] = 2;
  EXPECT_EQ(before, (nlohmann::json{{"packets", 1}}));
  EXPECT_EQ(static_cast<const nlohmann::json&>(first), (nlohmann::json{{"packets", 2}}));
}

}  // namespace
}  // namespace headgate::control
