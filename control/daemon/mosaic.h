// A picture of all channels for a control room: which tiles stand where, in which frame. Drawing is in
// mosaic_draw.h, serving in mosaic_server.h. Threading: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "control/daemon/channel_monitor.h"

namespace headgate::control {

// What the bridge writes of each channel that is watched: raw RGB, letterboxed.
inline constexpr int kTileWidth = 192;
inline constexpr int kTileHeight = 108;
inline constexpr std::size_t kTileBytes = std::size_t{kTileWidth} * kTileHeight * 3;

// What stands in an address: ?tag=hd&channels=news,sport&columns=4&width=1280&order=map
struct MosaicQuery {
  static constexpr int kMaxColumns = 64;
  static constexpr int kMinWidth = 160, kMaxWidth = 7680;
  enum class Order { worst, map };
  std::string tag;                    // ""; all
  std::vector<std::string> channels;  // these, in this order where it is `map`; none: all that are enabled
  int columns = 0;                    // 0: as wide as a screen is
  int width = 0;                      // 0: tiles in their own size
  Order order = Order::worst;
  bool operator==(const MosaicQuery&) const = default;
};
// The error is one for people.
tl::expected<MosaicQuery, std::string> parse_mosaic_query(std::string_view query);

struct MosaicChannel {
  std::string id;
  std::string name;
  std::vector<std::string> tags;
  ChannelState state = ChannelState::down;
  std::int64_t every_ns = 0;  // a picture is taken so often; 0: never
};

struct MosaicBox {
  int x = 0, y = 0, width = 0, height = 0;
  bool operator==(const MosaicBox&) const = default;
};

struct MosaicCell {
  MosaicChannel channel;
  MosaicBox cell;  // with its frame
  MosaicBox picture;
  MosaicBox label;
};

struct Mosaic {
  static constexpr std::size_t kMaxCells = 400;
  static constexpr std::int64_t kMaxPixels = 16'000'000;
  int width = 0, height = 0, columns = 0;
  int frame = 0;  // width of a coloured frame
  std::vector<MosaicCell> cells;
  std::size_t left_out = 0;  // channels beyond kMaxCells
  MosaicBox footer;          // says so; empty where none are
};
// Channels in the order of the map. Errors: an unknown name, a picture beyond kMaxPixels.
tl::expected<Mosaic, std::string> lay_out(const MosaicQuery& query,
                                          const std::vector<MosaicChannel>& channels);

// How old a picture is, and whether it still shows what is on air.
struct PictureAge {
  bool there = false;
  bool stale = false;
  std::int64_t age_ns = 0;
};
inline constexpr int kStaleAfter = 3;  // pictures that should have come
PictureAge age_of(const MosaicChannel& channel, std::int64_t taken_unix_ns, std::int64_t now_unix_ns);

// The positions and names, for a page that lays itself over the picture. `ages` in the order of the cells.
nlohmann::json mosaic_json(const Mosaic& mosaic, const std::vector<PictureAge>& ages,
                           std::int64_t now_unix_ns);

// "42 s", "3 min", "5 h"
std::string age_words(std::int64_t age_ns);

}  // namespace headgate::control
