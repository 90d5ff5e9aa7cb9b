"""Words of everyday life: what fills a note and says nothing of any condition.

A real note holds many words that no diagnosis needs: where somebody lives and worked, who was
called, what was eaten, small complaints, and what was done about them. Without them every second
word would be evidence.
"""

from __future__ import annotations

from random import Random

OCCUPATIONS = """
accountant actor architect auctioneer baker banker barber bartender beekeeper blacksmith
bookbinder bookkeeper bricklayer broker butcher cabinetmaker caretaker carpenter cashier caterer
chauffeur chef chemist clerk coach cobbler composer conductor contractor cook cooper courier
custodian dancer decorator dispatcher diver docent draftsman dressmaker driver economist editor
electrician engineer engraver farmer ferryman firefighter fisherman florist forester foreman
gardener geologist glazier goldsmith grocer guitarist hairdresser handyman historian housekeeper
illustrator inspector interpreter janitor jeweler journalist judge landscaper lawyer librarian
lifeguard linguist lobsterman locksmith longshoreman machinist magician maid mason mathematician
mechanic messenger meteorologist milkman miner minister musician nanny novelist optician
organist painter paralegal pastor pharmacist photographer physicist pianist pilot plasterer
playwright plumber poet policeman porter postman potter printer professor programmer publisher
rancher realtor receptionist referee reporter roofer sailor salesman sculptor seamstress
secretary sheriff shipbuilder shopkeeper singer soldier statistician steelworker stenographer
steward surveyor tailor teacher technician teller translator trapper trucker tutor typist umpire
undertaker upholsterer usher violinist waiter waitress watchmaker weaver welder winemaker
woodworker writer zookeeper
"""

TOWNS = """
Abington Acton Agawam Amesbury Amherst Andover Arlington Ashland Athol Attleboro Auburn
Barnstable Barre Bedford Belchertown Bellingham Belmont Berkley Beverly Billerica Blackstone
Bolton Bourne Boxford Braintree Brewster Bridgewater Brockton Brookline Burlington Canton
Carlisle Carver Charlton Chatham Chelmsford Chelsea Cheshire Chicopee Clinton Cohasset Concord
Conway Dalton Danvers Dartmouth Dedham Deerfield Dighton Dover Dracut Dudley Duxbury Easthampton
Easton Essex Everett Fairhaven Falmouth Fitchburg Foxborough Framingham Franklin Freetown
Gardner Georgetown Gloucester Grafton Granby Greenfield Groton Groveland Hadley Halifax Hamilton
Hampden Hanover Hanson Hardwick Harvard Harwich Hatfield Haverhill Hingham Holbrook Holden
Holliston Holyoke Hopedale Hopkinton Hubbardston Hudson Hull Ipswich Kingston Lakeville
Lancaster Lawrence Leicester Lenox Leominster Lexington Lincoln Littleton Longmeadow Lowell
Ludlow Lunenburg Lynn Lynnfield Malden Manchester Mansfield Marblehead Marion Marlborough
Marshfield Mashpee Mattapoisett Maynard Medfield Medford Medway Melrose Mendon Merrimac Methuen
Middleton Milford Millbury Millis Milton Monson Montague Nahant Nantucket Natick Needham Newbury
Newton Norfolk Northampton Norton Norwell Norwood Oxford Palmer Peabody Pembroke Pepperell
Pittsfield Plainville Plymouth Princeton Provincetown Quincy Randolph Raynham Reading Rehoboth
Revere Rochester Rockland Rockport Rowley Rutland Salem Salisbury Sandwich Saugus Scituate
Seekonk Sharon Shirley Shrewsbury Somerset Somerville Southwick Spencer Sterling Stoneham
Stoughton Stow Sturbridge Sudbury Sutton Swampscott Swansea Taunton Templeton Tewksbury
Topsfield Townsend Truro Tyngsborough Upton Uxbridge Wakefield Walpole Waltham Wareham Warren
Watertown Wayland Webster Wellesley Wellfleet Wenham Westborough Westfield Westford Weston
Westport Weymouth Whitman Wilbraham Williamstown Wilmington Winchester Winthrop Woburn Worcester
Wrentham Yarmouth
"""

PASTIMES = """
archery astronomy badminton baking ballet banjo baseball basketball beadwork billiards bingo
birding boating bowling bridge calligraphy camping canasta canoeing carving ceramics checkers
chess choir cooking cribbage cricket crochet crosswords curling cycling dancing darts dominoes
drawing embroidery fencing fishing fiddling gardening genealogy golf handball harmonica hiking
hockey horseshoes hunting jogging juggling karaoke karate kayaking kites knitting lacrosse
macrame mahjong marathons marbles needlepoint opera origami painting photography pickleball
piano poetry poker pottery puzzles quilting racquetball rafting reading rowing rugby sailing
scrabble sewing shuffleboard singing skating skiing sketching snooker soccer softball solitaire
spinning squash stamps sudoku surfing swimming tango tapestry tennis theater trains travel
trivia ukulele volleyball walking weaving whittling woodworking wrestling yoga
"""

FOODS = """
almonds apples applesauce apricots artichokes asparagus avocado bagels bananas barley basil
beans beets berries biscuits blueberries bran bread broccoli broth brownies burritos butter
cabbage cake cantaloupe carrots cashews casserole cauliflower celery cereal cheddar cheese
cherries chicken chili chocolate chowder cinnamon clams coconut coffee coleslaw cookies corn
cornbread crackers cranberries cream cucumber custard dates dumplings eggplant eggs falafel figs
fish flounder garlic gelatin ginger granola grapefruit grapes gravy guacamole haddock ham
hamburgers hash honey hummus jam jelly juice kale ketchup lamb lasagna lemonade lentils lettuce
lobster macaroni mango maple margarine marmalade mayonnaise meatballs meatloaf melon milk
molasses muffins mushrooms mussels mustard noodles oatmeal okra olives omelet onions oranges
oysters pancakes papaya parsley parsnips pasta pastry peaches peanuts pears peas pecans peppers
pickles pie pineapple pistachios pizza plums popcorn pork porridge potatoes pretzels prunes
pudding pumpkin quinoa radishes raisins raspberries ravioli relish rhubarb rice risotto rolls
salad salami salmon sandwiches sardines sauerkraut sausage scallops sherbet shrimp soup
spaghetti spinach squash steak stew strawberries stuffing sushi tacos tangerines tea toast tofu
tomatoes tortillas trout tuna turkey turnips vanilla vinegar waffles walnuts watermelon yams
yogurt zucchini
"""

SURNAMES = """
Abbott Adams Aldrich Allen Ames Archer Atkins Avery Bailey Baldwin Banks Barber Barlow Barnes
Barrett Bartlett Bates Becker Bennett Benson Bishop Blair Blake Bowen Bowers Boyd Bradley
Brennan Briggs Brooks Bryant Buckley Burgess Burke Burns Butler Byrne Cabot Callahan Cameron
Carey Carlson Carr Carroll Casey Chandler Chapman Chase Christensen Church Clancy Clarke Clay
Cobb Coffey Cohen Colby Cole Coleman Collins Conley Connolly Cooper Corbett Costa Crane Crosby
Crowley Cullen Curran Cushing Daley Dalton Davenport Dawson Delaney Dempsey Desmond Devlin
Dillon Dixon Doherty Dolan Donahue Donnelly Doyle Draper Drake Driscoll Duffy Dugan Dunbar Dunn
Dwyer Eaton Elliott Ellis Emerson Evans Fairbanks Farrell Faulkner Fenton Ferguson Field Finch
Fisher Fitzgerald Flanagan Fletcher Flynn Foley Forbes Foster Fowler Fraser Frost Fuller
Gallagher Gardner Garrison Gibbons Gibson Gilbert Gillespie Gleason Goddard Goodwin Gould Grady
Graves Greene Gregory Griffin Hale Haley Hall Hammond Hancock Harding Harlow Harper Harrington
Hastings Hawkins Hayes Healy Henderson Herbert Hewitt Hickey Higgins Hobbs Hogan Holbrook
Holland Holmes Hooper Hopkins Horton Howard Howe Hubbard Hughes Hurley Hutchins Ingram Jarvis
Jenkins Jennings Jordan Joyce Keane Keating Keefe Kelley Kendall Kennedy Kenney Kerr Kimball
Kirby Knight Knox Lambert Lane Langley Larkin Larson Lawson Leary Lester Levine Lindsay
Livingston Lloyd Locke Logan Lovell Lowe Lyman Lynch MacDonald Mack Maguire Mahoney Malone
Manning Marsh Mather Maxwell Mayer McCabe McCarthy McGrath McKay McLean Mercer Meyer Miles
Monroe Moody Moran Morrill Morrison Morse Moulton Mullen Murdock Murphy Nash Nichols Nolan
Norris Noyes Nye Oakes Ortiz Osgood Page Paine Parsons Patel Patton Payne Perkins Phelps Pierce
Pike Pratt Prescott Putnam Quigley Quinn Ramsey Rand Reardon Redmond Reed Regan Reilly Rhodes
Riggs Riley Robbins Roche Rollins Rowe Russo Ryder Sanborn Sargent Sawyer Schmidt Sears Sewall
Shapiro Shaw Shea Sheldon Sheridan Sherman Silva Skinner Slater Snow Spaulding Spencer Sprague
Stanton Stearns Stevens Stokes Sullivan Sumner Swan Sweeney Talbot Tanner Thayer Thorne Tierney
Tobin Torres Tracy Tucker Tufts Tyler Upham Vaughn Vincent Wade Waldron Walsh Ward Warner
Watkins Weeks Welch Wells Wheeler Whitcomb Whitney Wilcox Wilder Willard Winslow Wolfe Woods
Wyman Yates York Young
"""

THINGS = """
alarm album armchair badge bag balcony bandage basin basket bathrobe battery bedpan bedside bell
belt bench bicycle binder blanket blinds board book bookcase boots bottle bouquet bowl box
bracelet bracket briefcase broom brush bucket buckle cabinet calculator calendar camera candle
cane canopy card carpet carton cassette chain chair chart clipboard clock closet cloth coat
collar comb commode compass computer container cot couch counter crayon crutch cup curtain
cushion denture desk dial dictionary dish door doorway drawer dresser earphones easel elevator
envelope eraser fan faucet fence flag flashlight folder footrest footstool fork frame freezer
garage glass glasses glove gown handle handrail hanger hat headphones headrest heater hinge hook
hose icebox key kettle kitchen knapsack knob label ladder lamp lantern latch leash lever lid
lighter locker loop luggage magazine magnet mailbox map mat mattress medal menu microphone
mirror mitten mop mug nail napkin necklace needle net newspaper notebook oven overcoat package
padlock pail pajamas pan paper parcel passport pen pencil pendant photo pillow pin pitcher plate
plug pocket podium porch poster pot pouch puppet purse quilt rack radio railing ramp razor
receipt recliner recorder refrigerator remote ribbon ring robe rocker rope rug ruler sandal
saucer scarf scissors scooter screen screw seat shade shampoo shelf shirt shoe shovel shower
sign sink sleeve slipper soap sock sofa spatula speaker spoon stair stapler stool stove strap
string suitcase sweater switch table tablecloth tablet tape telephone television thermos ticket
tile timer tissue toaster toothbrush toothpaste towel toy tray tripod trolley truck trunk tub
tube umbrella vase vest wagon wallet wardrobe washcloth watch wheel whistle window wire wreath
yarn zipper
"""

PLACES = """
airport apartment aquarium arcade attic auditorium bakery bank barn basement beach bookstore
boulevard bungalow cabin cafe cafeteria campground casino castle cathedral cellar cemetery
chapel church cinema clubhouse college condominium cottage courthouse courtyard deli diner dock
dormitory duplex factory farm farmhouse ferry fairground florist forest fountain gallery garage
garden greenhouse grocery gym harbor highway hostel hotel houseboat inn island kiosk laundromat
library lighthouse loft lounge mall mansion marina market meadow mill monastery mosque motel
museum nursery office orchard park parlor pavilion pharmacy pier playground plaza pond
post-office prairie pub quarry ranch restaurant riverbank salon school seashore shelter shop
shore square stable stadium station store studio suburb subway supermarket synagogue tavern
temple terrace theater tower townhouse university valley village vineyard warehouse waterfront
wharf winery woods workshop zoo
"""

SMALL_AILMENTS = """
acne blister boredom bruise bunion callus canker chafing chapped-lips cold-sore corn cramp
cuticle dandruff dentures dry-eyes dry-mouth dry-skin earwax eyestrain flatfeet floaters freckle
hammertoe hangnail hiccups hives hoarseness homesickness ingrown-nail insomnia itching jetlag
keloid lactose-intolerance lazy-eye lipoma loose-tooth mole motion-sickness neck-strain
nosebleed overbite poison-ivy presbyopia psoriasis rosacea scar skin-tag sneezing snoring
splinter sprain stiff-neck stye sunburn sweating teeth-grinding tennis-elbow tinnitus toothache
vitiligo wart whiplash wrinkles yawning
"""

REMEDIES = """
acidophilus aloe antacid arnica artificial-tears ascorbate balm benzocaine biotin bisacodyl
calamine calcium-carbonate camphor capsaicin carboxymethylcellulose cascara castor-oil
cetirizine chamomile chlorhexidine chondroitin clotrimazole cholecalciferol coal-tar
cocoa-butter cod-liver-oil cyanocobalamin dextromethorphan diclofenac-gel dimenhydrinate
diphenhydramine docusate echinacea emollient eucalyptus fexofenadine fiber fish-oil flaxseed
fluoride folate garlic-oil ginkgo ginseng glucosamine glycerin guaifenesin hydrocortisone-cream
hydroxyzine ketotifen lactase lanolin lidocaine loratadine lozenge lutein magnesium-oxide
meclizine melatonin menthol methylcellulose miconazole mineral-oil minoxidil mouthwash
multivitamin mupirocin naphazoline niacin nystatin ointment olopatadine oxymetazoline
pantothenate peppermint petrolatum phenylephrine polyethylene-glycol probiotic psyllium
pyridoxine riboflavin saline-spray salve selenium senna simethicone sunscreen talc terbinafine
thiamine throat-spray tocopherol tolnaftate triple-antibiotic turmeric valerian witch-hazel
xylitol zinc-oxide
"""

MANNERS = """
amiably anxiously apologetically attentively bashfully boldly bravely briefly brightly brusquely
calmly carefully casually cautiously charmingly cheerfully clearly cleverly comfortably
confidently cordially courteously curiously diligently distinctly dutifully eagerly earnestly
easily eloquently emphatically energetically enthusiastically evenly expressively faintly
fluently fondly formally frankly freely generously gently gladly gracefully graciously
gratefully gruffly happily heartily hesitantly honestly humbly impatiently intently jokingly
jovially keenly kindly lightly lively loudly meekly merrily mildly modestly neatly nervously
nimbly openly patiently peacefully pensively placidly playfully pleasantly politely precisely
promptly proudly punctually quaintly quickly quietly readily reluctantly respectfully sadly
sensibly seriously sharply shyly silently sincerely slowly smoothly softly solemnly
spontaneously steadily sternly stiffly stoically stubbornly surely sweetly swiftly tactfully
tearfully tenderly tersely thankfully thoughtfully tidily timidly tirelessly vaguely vividly
warily warmly wearily willingly wistfully witty wryly
"""

RELATIVES = """
aunt brother-in-law childhood-friend coworker cousin daughter daughter-in-law fiance
former-roommate godfather godmother goddaughter godson granddaughter grandnephew grandniece
grandson great-aunt great-uncle half-brother half-sister home-aide husband landlady landlord
minister nephew neighbor niece pastor partner rabbi roommate sister-in-law son son-in-law
stepbrother stepdaughter stepfather stepmother stepsister stepson superintendent tenant uncle
volunteer widow widower wife
"""

ANIMALS = """
alpaca beagle bulldog canary chihuahua chinchilla cockatoo collie corgi dachshund dalmatian
donkey ferret finch gecko goat goldfish greyhound guinea-pig hamster hen horse hound iguana
kitten labrador lizard llama mare mastiff mule parakeet parrot pigeon pony poodle pug puppy
rabbit retriever rooster schnauzer sheepdog spaniel tabby terrier tortoise turtle whippet
"""

WORDS = {
    slot: listed.split()
    for slot, listed in {
        "occupation": OCCUPATIONS,
        "town": TOWNS,
        "pastime": PASTIMES,
        "food": FOODS,
        "surname": SURNAMES,
        "thing": THINGS,
        "place": PLACES,
        "ailment": SMALL_AILMENTS,
        "remedy": REMEDIES,
        "manner": MANNERS,
        "relative": RELATIVES,
        "animal": ANIMALS,
    }.items()
}

LIFE = (
    "Lives in {town} with a {relative}.",
    "Retired {occupation} from {town}.",
    "Worked as a {occupation}.",
    "Former {occupation}, enjoys {pastime}.",
    "Keeps a {animal}.",
    "Lives above a {place} in {town}.",
    "Born in {town}, {occupation}.",
    "{relative} is a {occupation}.",
    "Enjoys {pastime} and {pastime}.",
)
SMALL_TALK = {
    "History of Present Illness": (
        "Brought in by a {relative}.",
        "Was at the {place} in {town}.",
        "Found near the {thing} by a {relative}.",
        "Was out for {pastime} with a {relative}.",
        "Last meal was {food} and {food}.",
        "Sent by Dr. {surname} of {town}.",
        "Answers {manner}.",
    ),
    "Physical Exam": (
        "Sits {manner} by the {thing}.",
        "Speaks {manner}.",
        "Old {ailment}.",
        "Wears a {thing}.",
    ),
    "Pertinent Results": ("Read by Dr. {surname}.", "Outside films from {town} reviewed."),
    "Brief Hospital Course": (
        "Dr. {surname} was informed.",
        "{remedy} was given for {ailment}.",
        "{relative} visited and spoke {manner}.",
        "Asked {manner} for {food}.",
        "Seen with Drs. {surname} and {surname}.",
        "Lost a {thing}, later found at the {place}.",
        "Moved near the {thing} at own wish.",
    ),
    "Discharge Instructions": (
        "Dr. {surname} will call you.",
        "You may use {remedy} for {ailment}.",
        "You may eat {food}, {food} and {food}.",
        "You may go back to {pastime}.",
        "Please see Dr. {surname} at the {place} in {town}.",
        "Your {relative} has your {thing}.",
        "Have somebody care for the {animal}.",
        "Ask your {relative} to bring {food}.",
    ),
}


def with_words(pen: Random, template: str) -> str:
    """A template with a word in each of its slots, the first of a list somewhat more often."""
    while (start := template.find("{")) >= 0:
        end = template.index("}", start)
        words = WORDS[template[start + 1 : end]]
        word = words[int(len(words) * pen.random() ** 1.3)].replace("-", " ")
        template = template[:start] + word + template[end + 1 :]
    return template
