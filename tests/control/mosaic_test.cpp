#include "control/daemon/mosaic.h"

#include <fcntl.h>
#include <gd.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "control/daemon/mosaic_draw.h"
#include "control/daemon/mosaic_server.h"
#include "temp_dir.h"

namespace headgate::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<MosaicChannel> sample_channels(int count, ChannelState state = ChannelState::ok) {
  std::vector<MosaicChannel> out;
  for (int i = 0; i < count; ++i)
    out.push_back({"c" + std::to_string(i), "Channel " + std::to_string(i), {}, state, 5 * kSecond});
  return out;
}

std::vector<std::string> ids(const Mosaic& mosaic) {
  std::vector<std::string> out;
  for (const MosaicCell& cell : mosaic.cells) out.push_back(cell.channel.id);
  return out;
}

MosaicQuery query(std::string_view text) { return parse_mosaic_query(text).value(); }

TEST(MosaicQuery, ReadsWhatStandsInAnAddress) {
  MosaicQuery wanted;
  wanted.tag = "hd news";
  wanted.channels = {"a", "b"};
  wanted.columns = 4;
  wanted.width = 1280;
  wanted.order = MosaicQuery::Order::map;
  EXPECT_EQ(query("tag=hd%20news&channels=a,b&columns=4&width=1280&order=map&t=17"), wanted);
  EXPECT_EQ(query(""), MosaicQuery{});
  EXPECT_EQ(query("&&order=worst&"), MosaicQuery{});
}

TEST(MosaicQuery, SaysWhatIsWrong) {
  for (const char* text :
       {"columns=0", "columns=65", "columns=x", "columns=4x", "columns=99999999999", "width=159",
        "width=7681", "width=", "order=best", "channels=", "channels=,", "colums=3", "tag"}) {
    const auto parsed = parse_mosaic_query(text);
    EXPECT_EQ(parsed.has_value(), std::string(text) == "tag") << text;
  }
  EXPECT_THAT(parse_mosaic_query("width=10000").error(), HasSubstr("160 to 7680"));
}

bool overlap(const MosaicBox& a, const MosaicBox& b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

bool inside(const MosaicBox& box, const MosaicBox& of) {
  return box.x >= of.x && box.y >= of.y && box.x + box.width <= of.x + of.width &&
         box.y + box.height <= of.y + of.height;
}

TEST(MosaicLayout, PutsEachTileInItsPlaceWithoutOverlap) {
  for (const char* text : {"", "columns=2", "columns=64", "width=1280", "width=641&columns=3"}) {
    for (const int count : {1, 2, 5, 17}) {
      const auto mosaic = lay_out(query(text), sample_channels(count));
      ASSERT_TRUE(mosaic.has_value()) << text << mosaic.error();
      ASSERT_EQ(mosaic->cells.size(), static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < mosaic->cells.size(); ++i) {
        const MosaicCell& cell = mosaic->cells[i];
        EXPECT_TRUE(inside(cell.cell, {0, 0, mosaic->width, mosaic->height})) << text << i;
        EXPECT_TRUE(inside(cell.picture, cell.cell));
        EXPECT_TRUE(inside(cell.label, cell.cell));
        EXPECT_FALSE(overlap(cell.picture, cell.label));
        for (std::size_t k = 0; k < i; ++k)
          EXPECT_FALSE(overlap(cell.cell, mosaic->cells[k].cell)) << text << i;
      }
    }
  }
}

TEST(MosaicLayout, ShowsTilesInTheirOwnSizeUnlessAWidthIsAskedFor) {
  const auto own = lay_out(query("columns=3"), sample_channels(6));
  EXPECT_EQ(own->cells[0].picture.width, 192);
  EXPECT_EQ(own->cells[0].picture.height, 108);
  const auto asked = lay_out(query("columns=3&width=1280"), sample_channels(6));
  EXPECT_EQ(asked->width, 1280);
  EXPECT_NEAR(asked->cells[0].picture.width, 400, 20);
  EXPECT_NEAR(asked->cells[0].picture.height, asked->cells[0].picture.width * 9 / 16, 1);
  EXPECT_THAT(lay_out(query("columns=64&width=640"), sample_channels(64)).error(),
              HasSubstr("fewer columns"));
}

TEST(MosaicLayout, IsAboutAsWideAsAScreen) {
  for (const int count : {4, 50, 200, 400}) {
    const auto mosaic = lay_out({}, sample_channels(count));
    ASSERT_TRUE(mosaic.has_value()) << mosaic.error();
    EXPECT_NEAR(static_cast<double>(mosaic->width) / mosaic->height, 16.0 / 9, 0.6) << count;
    EXPECT_EQ(mosaic->left_out, 0U);
  }
}

TEST(MosaicLayout, IsBounded) {
  const auto many = lay_out({}, sample_channels(450));
  EXPECT_EQ(many->cells.size(), 400U);
  EXPECT_EQ(many->left_out, 50U);
  EXPECT_TRUE(inside(many->footer, {0, 0, many->width, many->height}));
  EXPECT_THAT(lay_out(query("columns=1&width=7680"), sample_channels(400)).error(), HasSubstr("too many"));
  const auto none = lay_out({}, {});
  ASSERT_TRUE(none.has_value());
  EXPECT_GT(none->width, 0);
  EXPECT_TRUE(none->cells.empty());
}

TEST(MosaicLayout, HasTheWorstFirstOrTheOrderOfTheMap) {
  auto channels = sample_channels(6);
  channels[0].state = ChannelState::ok;
  channels[1].state = ChannelState::waiting;
  channels[2].state = ChannelState::backup;
  channels[3].state = ChannelState::degraded;
  channels[4].state = ChannelState::down;
  channels[5].state = ChannelState::disabled;
  channels[0].tags = channels[4].tags = {"hd"};
  EXPECT_THAT(ids(*lay_out({}, channels)), ElementsAre("c4", "c3", "c2", "c1", "c0"));
  EXPECT_THAT(ids(*lay_out(query("order=map"), channels)), ElementsAre("c0", "c1", "c2", "c3", "c4"));
  EXPECT_THAT(ids(*lay_out(query("tag=hd"), channels)), ElementsAre("c4", "c0"));
  EXPECT_THAT(ids(*lay_out(query("channels=c5,c0&order=map"), channels)), ElementsAre("c5", "c0"));
  EXPECT_TRUE(lay_out(query("tag=none"), channels)->cells.empty());
  EXPECT_THAT(lay_out(query("channels=c0,c9"), channels).error(), HasSubstr("'c9'"));
}

TEST(MosaicLayout, TellsAPagePositionsNamesAndAges) {
  auto channels = sample_channels(2);
  channels[1].name = "Übung";
  channels[1].state = ChannelState::down;
  const auto mosaic = lay_out(query("order=map"), channels);
  const auto json = mosaic_json(*mosaic, {age_of(channels[0], 10 * kSecond, 12 * kSecond), {}}, 12 * kSecond);
  EXPECT_EQ(json["width"], mosaic->width);
  EXPECT_EQ(json["tiles"][0]["age_ms"], 2000);
  EXPECT_EQ(json["tiles"][0]["stale"], false);
  EXPECT_EQ(json["tiles"][1]["channel"], "c1");
  EXPECT_EQ(json["tiles"][1]["name"], "Übung");
  EXPECT_EQ(json["tiles"][1]["state"], "down");
  EXPECT_TRUE(json["tiles"][1]["age_ms"].is_null());
  EXPECT_EQ(json["tiles"][1]["x"], mosaic->cells[1].cell.x);
  EXPECT_EQ(json["tiles"][1]["picture"]["height"], 108);
}

TEST(MosaicAge, IsStaleAfterThreePicturesThatDidNotCome) {
  const MosaicChannel channel = sample_channels(1)[0];
  EXPECT_FALSE(age_of(channel, 0, 15 * kSecond).stale);
  EXPECT_TRUE(age_of(channel, 0, 15 * kSecond + 1).stale);
  EXPECT_EQ(age_of(channel, 5 * kSecond, 0).age_ns, 0) << "a clock that was set back";
  EXPECT_EQ(age_words(42 * kSecond), "42 s");
  EXPECT_EQ(age_words(180 * kSecond), "3 min");
  EXPECT_EQ(age_words(20'000 * kSecond), "5 h");
}

class MosaicDrawing : public testing::Test {
 protected:
  void write_tile(const std::string& id, std::uint8_t red, std::uint8_t green, std::uint8_t blue,
                  std::size_t bytes = kTileBytes) {
    std::string raw(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i)
      raw[i] = static_cast<char>(i % 3 == 0 ? red : i % 3 == 1 ? green : blue);
    std::ofstream(path(id), std::ios::binary) << raw;
  }
  std::string path(const std::string& id) const { return dir.path + "/" + id + ".tile"; }
  void make_older(const std::string& id, int seconds) const {
    timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    ::clock_gettime(CLOCK_REALTIME, &times[1]);
    times[1].tv_sec -= seconds;
    ASSERT_EQ(::utimensat(AT_FDCWD, path(id).c_str(), times, 0), 0);
  }
  static std::int64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return std::int64_t{time.tv_sec} * kSecond + time.tv_nsec;
  }
  using Image = std::unique_ptr<gdImage, decltype(&gdImageDestroy)>;
  Image drawn(const Mosaic& mosaic, const std::string& font = mosaic_font()) {
    auto jpeg = draw_mosaic(mosaic, read_pictures(mosaic, dir.path, now(), true), font).value();
    Image image(gdImageCreateFromJpegPtr(static_cast<int>(jpeg.size()), jpeg.data()), &gdImageDestroy);
    EXPECT_NE(image, nullptr);
    EXPECT_EQ(image->sx, mosaic.width);
    EXPECT_EQ(image->sy, mosaic.height);
    return image;
  }
  static std::array<int, 3> at(const Image& image, int x, int y) {
    const int colour = gdImageGetTrueColorPixel(image.get(), x, y);
    return {gdTrueColorGetRed(colour), gdTrueColorGetGreen(colour), gdTrueColorGetBlue(colour)};
  }
  static std::array<int, 3> middle(const Image& image, const MosaicBox& box) {
    return at(image, box.x + box.width / 2, box.y + box.height / 4);
  }
  // JPEG and the mean of neighbours move a colour a little.
  static void expect_near(std::array<int, 3> got, std::array<int, 3> wanted, const std::string& what) {
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(got[i], wanted[i], 24) << what << " component " << i;
  }
  // How much of a box is brighter than black.
  static int lit(const Image& image, const MosaicBox& box) {
    int count = 0;
    for (int y = box.y; y < box.y + box.height; ++y) {
      for (int x = box.x; x < box.x + box.width; ++x) count += at(image, x, y)[1] > 128;
    }
    return count;
  }
  TempDir dir;
};

TEST_F(MosaicDrawing, ShowsEachPictureInAFrameOfItsState) {
  auto channels = sample_channels(4);
  channels[1].state = ChannelState::down;
  channels[2].state = ChannelState::degraded;
  channels[3].state = ChannelState::backup;
  write_tile("c0", 200, 20, 20);
  write_tile("c1", 20, 200, 20);
  write_tile("c2", 20, 20, 200);
  write_tile("c3", 128, 128, 128);
  for (const char* text :
       {"order=map&columns=2", "order=map&columns=2&width=1280", "order=map&columns=4&width=420"}) {
    const auto mosaic = lay_out(query(text), channels);
    ASSERT_TRUE(mosaic) << mosaic.error();
    const Image image = drawn(*mosaic);
    expect_near(middle(image, mosaic->cells[0].picture), {200, 20, 20}, text);
    expect_near(middle(image, mosaic->cells[1].picture), {20, 200, 20}, text);
    expect_near(middle(image, mosaic->cells[2].picture), {20, 20, 200}, text);
    expect_near(middle(image, mosaic->cells[3].picture), {128, 128, 128}, text);
  }
  const auto mosaic = lay_out(query("order=map&columns=2&width=1280"), channels);
  const Image image = drawn(*mosaic);
  const auto frame = [&](std::size_t i) {
    const MosaicBox& cell = mosaic->cells[i].cell;
    return at(image, cell.x + cell.width / 2, cell.y + mosaic->frame / 2);
  };
  expect_near(frame(0), {0, 150, 80}, "ok");
  expect_near(frame(1), {220, 30, 40}, "down");
  expect_near(frame(2), {255, 176, 0}, "degraded");
  expect_near(frame(3), {90, 160, 255}, "backup");
}

TEST_F(MosaicDrawing, ShowsAnOldPictureGreyAndSaysSo) {
  const auto channels = sample_channels(2);
  write_tile("c0", 220, 20, 20);
  write_tile("c1", 220, 20, 20);
  make_older("c0", 60);
  const auto mosaic = lay_out(query("order=map&columns=2"), channels);
  const auto pictures = read_pictures(*mosaic, dir.path, now(), false);
  EXPECT_TRUE(pictures[0].age.stale);
  EXPECT_FALSE(pictures[1].age.stale);
  const Image image = drawn(*mosaic);
  const auto old = middle(image, mosaic->cells[0].picture);
  EXPECT_LT(old[0], 110);
  EXPECT_NEAR(old[0], old[1], 24) << "grey";
  EXPECT_GT(lit(image, mosaic->cells[0].picture), 20) << "its age";
}

TEST_F(MosaicDrawing, IgnoresWhatIsNoTile) {
  const auto channels = sample_channels(5);
  write_tile("c0", 220, 20, 20, kTileBytes - 1);
  write_tile("c1", 220, 20, 20, kTileBytes + 1);
  write_tile("elsewhere", 220, 20, 20);
  std::filesystem::create_symlink(path("elsewhere"), path("c2"));
  ASSERT_EQ(::mkfifo(path("c3").c_str(), 0600), 0);
  const auto mosaic = lay_out(query("order=map"), channels);
  for (const MosaicPicture& picture : read_pictures(*mosaic, dir.path, now(), true)) {
    EXPECT_FALSE(picture.age.there);
    EXPECT_EQ(picture.tile, nullptr);
  }
  const Image image = drawn(*mosaic);
  for (const MosaicCell& cell : mosaic->cells) {
    expect_near(middle(image, cell.picture), {30, 32, 38}, cell.channel.id);
    EXPECT_GT(lit(image, cell.picture), 20) << "no picture, it says";
  }
}

TEST_F(MosaicDrawing, BelievesNoTimeThatATileCanNotHave) {
  write_tile("c0", 220, 20, 20);
  write_tile("c1", 220, 20, 20);
  const timespec far[2] = {{0, UTIME_OMIT}, {std::int64_t{1} << 34, 0}};
  const timespec long_ago[2] = {{0, UTIME_OMIT}, {-(std::int64_t{1} << 31), 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("c0").c_str(), far, 0), 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, path("c1").c_str(), long_ago, 0), 0);
  const auto mosaic = lay_out(query("order=map"), sample_channels(2));
  const auto pictures = read_pictures(*mosaic, dir.path, now(), true);
  EXPECT_LT(pictures[0].age.age_ns, 2'000'000'000);
  EXPECT_TRUE(pictures[1].age.stale);
}

TEST_F(MosaicDrawing, DrawsNamesOfAllKindsWithAndWithoutAFont) {
  auto channels = sample_channels(6);
  channels[0].name = "Grünöl & Straße";
  channels[1].name = std::string(300, 'W');
  channels[2].name = "\xD0\x9D\xD0\xBE\xD0\xB2\xD0\xBE\xD1\x81\xD1\x82\xD0\xB8";
  channels[3].name = "\xFF\xC3 broken \xE2\x82";
  channels[4].name = "";
  channels[5].name = "\xF0\x9F\x93\xBA TV";
  ASSERT_NE(mosaic_font(), "") << "fonts-dejavu-core is missing";
  for (const std::string& font : {mosaic_font(), std::string()}) {
    const auto mosaic = lay_out(query("order=map&columns=3"), channels);
    const Image image = drawn(*mosaic, font);
    for (const MosaicCell& cell : mosaic->cells) {
      const MosaicBox name{cell.label.x, cell.label.y, cell.label.width / 2, cell.label.height};
      EXPECT_EQ(lit(image, name) > 10, !cell.channel.name.empty()) << cell.channel.name << font;
    }
  }
}

TEST_F(MosaicDrawing, DrawsNoneAndTwoHundred) {
  drawn(*lay_out({}, {}));
  auto channels = sample_channels(200, ChannelState::degraded);
  for (int i = 0; i < 200; ++i) write_tile("c" + std::to_string(i), 40, 80, static_cast<std::uint8_t>(i));
  const auto mosaic = lay_out({}, channels);
  const Image image = drawn(*mosaic);
  expect_near(middle(image, mosaic->cells[199].picture), {40, 80, 199}, "the last");
  drawn(*lay_out({}, sample_channels(401)));
}

class MosaicServing : public MosaicDrawing {
 protected:
  std::shared_ptr<const AdminPage> ask(const std::string& form, const std::string& text) {
    std::shared_ptr<const AdminPage> got;
    server.request(form, text, [&](std::shared_ptr<const AdminPage> page) { got = std::move(page); });
    const auto work = boost::asio::make_work_guard(io);
    io.restart();
    while (got == nullptr) io.run_one();
    return got;
  }
  boost::asio::io_context io;
  int asked = 0;
  MosaicServer server{io, dir.path, [this] {
                        ++asked;
                        return sample_channels(2);
                      }};
};

TEST_F(MosaicServing, GivesPictureAndPositions) {
  const auto jpeg = ask("jpg", "");
  EXPECT_EQ(jpeg->status, 200);
  EXPECT_EQ(jpeg->content_type, "image/jpeg");
  EXPECT_TRUE(jpeg->body.starts_with("\xFF\xD8"));
  const auto json = ask("json", "");
  EXPECT_EQ(json->content_type, "application/json");
  EXPECT_EQ(nlohmann::json::parse(json->body)["tiles"].size(), 2U);
}

TEST_F(MosaicServing, MakesOneForAllWhoAskWithinASecond) {
  std::vector<std::shared_ptr<const AdminPage>> pages;
  for (const char* text : {"", "", "order=worst", "t=1"}) {
    server.request("jpg", text, [&](auto page) { pages.push_back(std::move(page)); });
    EXPECT_TRUE(pages.empty()) << "made elsewhere";
  }
  const auto work = boost::asio::make_work_guard(io);
  io.restart();
  while (pages.size() < 4) io.run_one();
  EXPECT_EQ(asked, 1);
  for (const auto& page : pages) EXPECT_EQ(page, pages[0]);
  ask("jpg", "columns=1");
  EXPECT_EQ(asked, 2) << "another picture";
}

TEST_F(MosaicServing, RefusesWhatIsWrongAndTooManyAtOnce) {
  EXPECT_EQ(ask("jpg", "width=1")->status, 400);
  EXPECT_EQ(ask("json", "channels=nobody")->status, 400);
  std::vector<int> statuses;
  for (std::size_t i = 0; i <= MosaicServer::kMaxKept; ++i)
    server.request("jpg", "width=" + std::to_string(400 + i),
                   [&](const auto& page) { statuses.push_back(page->status); });
  EXPECT_THAT(statuses, ElementsAre(503));
  const auto work = boost::asio::make_work_guard(io);
  io.restart();
  while (statuses.size() <= MosaicServer::kMaxKept) io.run_one();
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 200), static_cast<int>(MosaicServer::kMaxKept));
}

}  // namespace
}  // namespace headgate::control
