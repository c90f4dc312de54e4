// Draws a mosaic as JPEG, by libgd. Threading: one thread at a time (gd keeps one cache of fonts); no state.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/daemon/mosaic.h"

namespace headgate::control {

using Tile = std::array<std::uint8_t, kTileBytes>;

struct MosaicPicture {
  PictureAge age;
  std::unique_ptr<Tile> tile;  // null: none
};

// The tile of each cell, in their order, out of DIRECTORY/CHANNEL.tile. A file of another size is none. Only
// what is open before a writer renames its next one over it is read: never half of two.
std::vector<MosaicPicture> read_pictures(const Mosaic& mosaic, const std::string& directory,
                                         std::int64_t now_unix_ns, bool with_tiles);

// "" where this machine has none: gd's own letters are drawn then, which know no others than Latin ones.
std::string mosaic_font();

// `pictures` in the order of the cells.
tl::expected<std::string, std::string> draw_mosaic(const Mosaic& mosaic,
                                                   const std::vector<MosaicPicture>& pictures,
                                                   const std::string& font);

}  // namespace headgate::control
